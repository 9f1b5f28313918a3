package sqlite

import (
	"context"
	"errors"
	"sync"
	"syscall"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// Update implements [greylist.Memory]. It never calls the change after it has returned.
// If nothing can be written, because another program holds the lock or the storage fails,
// it calls the change with the entries that can be read, and succeeds if the decision
// writes nothing.
func (s *Store) Update(ctx context.Context, triplets []greylist.Triplet, change greylist.Change) (greylist.Decision, error) {
	u := newUpdate(triplets, change)
	if s.lookUp(ctx, u) {
		return u.decision, nil
	}
	read := func() bool { return s.withoutWrite(ctx, u) }
	err := s.writer.do(ctx, u.run, read)
	if err != nil && (isFault(err) || errors.As(err, new(syscall.Errno))) { // of reopening the database
		u.rolledBack()
		if read() {
			return u.decision, nil
		}
	}
	if err != nil {
		u.abandon()
		return greylist.Decision{}, err
	}
	s.kept.note(u.decision.Keep)
	return u.decision, nil
}

// lookUp looks the first triplet up without the writer, and reports whether the update is
// done, because the decision keeps what is stored.
func (s *Store) lookUp(ctx context.Context, u *update) bool {
	current := s.writer.current.Load()
	if len(u.keys) == 0 || current.err != nil || ctx.Err() != nil || s.closed() {
		return false
	}
	k := u.keys[0]
	if s.writer.cache.find(k, &u.one.entry) {
		u.callerRead[0] = &u.one.entry
		return u.keeps(u.callerRead[:1])
	}
	if !s.kept.most() {
		u.insert = len(u.keys) == 1
		return false
	}
	at := s.writer.cache.stamp()
	e := current.db.lookups.find(k)
	if e == nil {
		return false
	}
	s.writer.cache.put(k, e, at)
	u.callerRead[0] = e
	if !u.keeps(u.callerRead[:1]) {
		return false
	}
	s.kept.note(true)
	return true
}

// withoutWrite runs an update that writes nothing, and returns false if it has something to write.
func (s *Store) withoutWrite(ctx context.Context, u *update) bool {
	if current := s.writer.current.Load(); errors.Is(current.err, greylist.ErrDamaged) {
		return false
	}
	for i, t := range u.triplets {
		var err error
		if u.callerRead[i], err = s.Get(ctx, t); err != nil {
			return false
		}
	}
	return u.keeps(u.callerRead)
}

// update is the job of [Store.Update]. Its change is called in up to three places: by the
// caller with what it has looked up (lookUp), by the writer in its transaction (run), and by
// the caller while nothing can be written (withoutWrite). Under mu one of them has the last
// word: a caller's decision counts only if it writes nothing and the writer has made none.
type update struct {
	triplets   []greylist.Triplet
	keys       []backend.Key
	callerRead []*greylist.Entry // the entry of each triplet, as the caller has read it
	writerRead []*greylist.Entry // the same, as the writer has read it in its transaction
	insert     bool              // one triplet, probably unseen: insert it without a look-up

	mu             sync.Mutex
	change         greylist.Change // nil once it is done without a write, or its caller has returned
	mayBeCommitted bool            // the writer has called the change
	decision       greylist.Decision

	one struct { // space for the slices of one triplet, the usual case
		key                    [1]backend.Key
		callerRead, writerRead [1]*greylist.Entry
		entry                  greylist.Entry
	}
}

func newUpdate(triplets []greylist.Triplet, change greylist.Change) *update {
	u := &update{triplets: triplets, change: change}
	u.keys, u.callerRead, u.writerRead = u.one.key[:], u.one.callerRead[:], u.one.writerRead[:]
	if n := len(triplets); n != 1 {
		u.keys, u.callerRead, u.writerRead = make([]backend.Key, n), make([]*greylist.Entry, n), make([]*greylist.Entry, n)
	}
	for i := range triplets {
		u.keys[i] = backend.KeyOf(triplets[i])
	}
	return u
}

func (u *update) run(tx *tx) (err error) {
	if u.insert { // inserting without a look-up takes half the time
		u.insert = false
		if d := u.decide(); !d.Keep {
			if added, err := tx.add(u.keys[0], u.triplets[0], d.Remember); err != nil {
				return err
			} else if added {
				return tx.writeLearned(d)
			}
		}
	}
	for i, k := range u.keys {
		if u.writerRead[i], err = tx.get(k); err != nil {
			return err
		}
	}
	d := u.decide()
	for i, e := range d.Writes() {
		if u.writerRead[i] == nil {
			_, err = tx.add(u.keys[i], u.triplets[i], e)
		} else {
			err = tx.set(u.keys[i], e)
		}
		if err != nil {
			return err
		}
	}
	return tx.writeLearned(d)
}

// writeLearned writes the rows of a decision that are not triplets.
func (tx *tx) writeLearned(d greylist.Decision) error {
	if err := tx.writeClient(d.Client); err != nil {
		return err
	}
	return tx.noteCorrespondents(d.Correspondents)
}

// decide calls the change with the entries that the writer has read.
func (u *update) decide() greylist.Decision {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.change == nil {
		return greylist.Decision{Keep: true}
	}
	u.mayBeCommitted = true
	u.decision = u.change(u.writerRead)
	return u.decision
}

// keeps calls the change with the entries that the caller has read, and takes its decision
// if that writes nothing. It does not do so once the writer has called the change, because
// the writer may have committed that decision. The writer reports a panic of the change.
func (u *update) keeps(seen []*greylist.Entry) (done bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.change == nil || u.mayBeCommitted {
		return false
	}
	var d greylist.Decision
	var err error
	func() {
		defer backend.Rescue(&err)
		d = u.change(seen)
		done = d.WritesNothing()
	}()
	if done {
		u.change, u.decision = nil, d
	}
	return done
}

// rolledBack notes that no decision of the change was committed.
func (u *update) rolledBack() {
	u.mu.Lock()
	u.mayBeCommitted = false
	u.mu.Unlock()
}

// abandon makes sure that the change is not called any more.
func (u *update) abandon() {
	u.mu.Lock()
	u.change = nil
	u.mu.Unlock()
}

// Forget implements [greylist.Store].
func (s *Store) Forget(ctx context.Context, t greylist.Triplet) (bool, error) {
	removed, err := s.changeRows(ctx, func(tx *tx) (int64, error) { return tx.remove(backend.KeyOf(t)) })
	return removed > 0, err
}

// Change implements [backend.Database].
func (s *Store) Change(ctx context.Context, change func(backend.Transaction) (int64, error)) (int64, error) {
	return s.changeRows(ctx, func(tx *tx) (int64, error) { return change(tx) })
}

// changeRows makes a change in the writer, and returns how many rows it has changed.
func (s *Store) changeRows(ctx context.Context, do func(*tx) (int64, error)) (int64, error) {
	var rows int64
	err := s.writer.do(ctx, func(tx *tx) (err error) {
		rows, err = do(tx)
		return err
	}, nil)
	if err != nil { // and it may still be written to
		return 0, err
	}
	return rows, nil
}

// Ping implements [greylist.Memory]. It writes a value that is there already.
func (s *Store) Ping(ctx context.Context) error {
	return s.writer.do(ctx, func(tx *tx) error {
		_, err := tx.Change(markSQL)
		tx.wrote = true
		return err
	}, nil)
}
