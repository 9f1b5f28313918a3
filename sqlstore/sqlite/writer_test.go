package sqlite

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// holdWriter keeps the writer busy until the returned function is called.
func holdWriter(t *testing.T, s *Store) (release func()) {
	t.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	go s.writer.pause(t.Context(), func() {
		close(held)
		<-free
	})
	<-held
	return func() { close(free) }
}

// together hands the jobs in so that they share a batch, in this order, and
// returns their errors.
func together(t *testing.T, s *Store, jobs ...func() error) []error {
	t.Helper()
	release := holdWriter(t, s)
	errs := make([]error, len(jobs))
	var wg sync.WaitGroup
	for i, job := range jobs {
		wg.Go(func() { errs[i] = job() })
		for len(s.writer.Jobs) <= i {
			runtime.Gosched() // until the job is in the queue, which takes no time
		}
	}
	release()
	wg.Wait()
	return errs
}

// put is a job that remembers a triplet.
func put(s *Store, n int64, e greylist.Entry) func() error {
	return func() error {
		return storetest.Update(context.Background(), s, storetest.Numbered(n), storetest.Remember(e))
	}
}

// TestBatch: jobs that wait together share a commit, and see one another.
func TestBatch(t *testing.T) {
	s := openNew(t)
	var seen []int64
	add := func() error {
		return storetest.Update(t.Context(), s, storetest.Numbered(1), func(remembered *greylist.Entry) (e greylist.Entry, write bool) {
			if remembered != nil {
				e = *remembered
			}
			seen = append(seen, e.Deferred)
			e.Deferred++
			return e, true
		})
	}
	before := commits(t, s)
	forget := func() error {
		_, err := s.Forget(t.Context(), storetest.Numbered(1))
		return err
	}
	if err := errors.Join(together(t, s, add, add, add, forget, add)...); err != nil {
		t.Fatal(err)
	}
	if want := []int64{0, 1, 2, 0}; len(seen) != 4 || [4]int64(seen) != [4]int64(want) {
		t.Errorf("they saw %v, want %v", seen, want)
	}
	if n := commits(t, s) - before; n != 1 {
		t.Errorf("%d commits, want one", n)
	}
}

// commits returns the number of commits in the log, by its frames (which all
// are the same few pages here): each ends with a frame that holds the size of
// the database (sqlite.org/fileformat.html, section 4.1).
func commits(t *testing.T, s *Store) (n int) {
	t.Helper()
	log := readFile(t, walOf(s.path))
	for at := 32; at+24+4096 <= len(log); at += 24 + 4096 {
		if !bytes.Equal(log[at+4:at+8], make([]byte, 4)) && bytes.Equal(log[at+8:at+16], log[16:24]) {
			n++
		}
	}
	return n
}

// TestNothingWritten: what changes nothing costs the disk nothing.
func TestNothingWritten(t *testing.T) {
	s := openNew(t)
	if err := put(s, 1, greylist.Entry{FirstSeen: 1})(); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(walOf(s.path))
	if err != nil {
		t.Fatal(err)
	}
	s.writer.wrote.Store(false)
	keep := func(*greylist.Entry) (greylist.Entry, bool) { return greylist.Entry{}, false }
	for range 100 {
		if err := storetest.Update(t.Context(), s, storetest.Numbered(1), keep); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Forget(t.Context(), storetest.Numbered(2)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Expire(t.Context(), greylist.Cutoffs{}, 0); err != nil {
			t.Fatal(err)
		}
	}
	after, err := os.Stat(walOf(s.path))
	if err != nil || after.Size() != before.Size() || after.ModTime() != before.ModTime() {
		t.Errorf("the log was written to: %v, %v", after, err)
	}
	if s.writer.wrote.Load() {
		t.Error("a checkpoint would be made")
	}
}

// TestPoisoned: a job that fails, or panics, hurts no other of its batch.
func TestPoisoned(t *testing.T) {
	var logged bytes.Buffer
	path := t.TempDir() + "/greyglass.db"
	opened, err := Open(t.Context(), "sqlite:"+path, backend.Options{Create: true, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	if err != nil {
		t.Fatal(err)
	}
	s := opened
	runs := 0
	bad := func() error {
		return s.writer.do(context.Background(), func(tx *tx) error {
			runs++
			if _, err := tx.add(backend.KeyOf(storetest.Numbered(2)), storetest.Numbered(2), greylist.Entry{FirstSeen: 2}); err != nil {
				return err
			}
			_, err := tx.Change(addSQL, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil) // NOT NULL
			return err
		}, nil)
	}
	panics := func() error {
		return storetest.Update(t.Context(), s, storetest.Numbered(4), func(*greylist.Entry) (greylist.Entry, bool) { panic("a bug") })
	}
	errs := together(t, s, put(s, 1, greylist.Entry{FirstSeen: 1}), bad, put(s, 3, greylist.Entry{FirstSeen: 3}),
		panics, put(s, 5, greylist.Entry{FirstSeen: 5}))
	for i, want := range []string{"", "NOT NULL", "", "panic: a bug", ""} {
		if err := errs[i]; (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("job %d: %v, want %q", i, err, want)
		}
	}
	if runs != 2 {
		t.Errorf("the job that fails was run %d times, want with the others, and alone", runs)
	}
	for n, want := range []bool{1: true, 2: false, 3: true, 4: false, 5: true} {
		if e, err := s.Get(t.Context(), storetest.Numbered(int64(n))); err != nil || (e != nil) != want {
			t.Errorf("of %d is remembered %+v, %v; want %v", n, e, err, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if text := logged.String(); strings.Count(text, "panic in a change") != 1 || !strings.Contains(text, "writer_test.go") {
		t.Errorf("the log does not tell of the panic, once and with its stack: %s", text)
	}
	if n := s.Numbers(); n.Panics != 1 {
		t.Errorf("%d panics are counted", n.Panics)
	}
}

// TestFull: a disk that is full fails what needs more of it, and nothing after.
func TestFull(t *testing.T) {
	s := openNew(t)
	limit := func(pragma string) {
		t.Helper()
		err := s.writer.do(t.Context(), func(tx *tx) error { return nil }, nil) // the writer is idle, and its connection ours
		if err == nil {
			err = s.writer.current.Load().db.writing.pragma(pragma)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	limit(`PRAGMA max_page_count = 1`) // no more than there are
	long := storetest.Numbered(1)
	long.Sender = strings.Repeat("x", 100_000)
	if err := storetest.Update(t.Context(), s, long, storetest.Remember(greylist.Entry{})); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("%v; want that the database is full", err)
	}
	if err := put(s, 2, greylist.Entry{FirstSeen: 1})(); err != nil {
		t.Errorf("what needs no more room: %v", err)
	}
	limit(`PRAGMA max_page_count = 1000000`)
	if err := storetest.Update(t.Context(), s, long, storetest.Remember(greylist.Entry{})); err != nil {
		t.Error(err)
	}
}

// TestUnwanted: what no caller waits for any more is not run.
func TestUnwanted(t *testing.T) {
	s := openNew(t)
	ctx, cancel := context.WithCancel(t.Context())
	release := holdWriter(t, s)
	gone := make(chan error)
	go func() {
		gone <- s.writer.do(ctx, func(*tx) error {
			t.Error("it was run")
			return nil
		}, nil)
	}()
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	release()
	if err := put(s, 1, greylist.Entry{})(); err != nil {
		t.Error(err)
	}
}

// TestCloseCompletes: what was handed in before Close is done, and answered.
func TestCloseCompletes(t *testing.T) {
	s := openNew(t)
	release := holdWriter(t, s)
	const n = 3 * maxBatch / 2
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = put(s, int64(i), greylist.Entry{FirstSeen: 1})() })
	}
	for len(s.writer.Jobs) < n {
		runtime.Gosched() // until all are in the queue
	}
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	<-s.writer.Closing
	release()
	wg.Wait()
	if err := errors.Join(append(errs, <-closed)...); err != nil {
		t.Fatal(err)
	}
	s = open(t, s.path)
	defer s.Close()
	if stats, err := s.Stats(t.Context()); err != nil || stats.Waiting != n {
		t.Errorf("%+v, %v; want %d", stats, err, n)
	}
}
