package sqlite

import (
	"context"
	"errors"
	"time"

	"greyglass/greylist"
)

// keeper looks after the database in the background: every second it has
// changes copied from the log into the file, and sees whether the files are
// still those that were opened, and the connections work. What it can mend, by
// opening the database anew, it mends (mend.go), while the writer pauses.
type keeper struct {
	*Store

	check     *check    // of the whole database; nil: none is going on
	checkAt   time.Time // when the next is to begin; zero: never
	condemned error     // what a check has found
	lost      lost      // what is not mended yet
	begun     bool      // a file was made where there was none, and is to be opened yet

	ctx  context.Context // ends with the keeper
	stop context.CancelFunc
	done chan struct{}
}

// startKeeper has the database checked soon, if there is anything to check.
func startKeeper(s *Store, filled bool) *keeper {
	k := &keeper{Store: s, done: make(chan struct{})}
	k.ctx, k.stop = context.WithCancel(context.Background())
	if filled {
		k.checkSoon()
	}
	go k.loop()
	return k
}

func (k *keeper) close() {
	k.stop()
	<-k.done
}

func (k *keeper) loop() {
	defer close(k.done)
	defer k.endCheck()
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-k.writer.alarm:
			k.look(false)
		case <-tick.C:
			k.look(true)
		case err := <-k.check.result():
			k.judge(err)
		}
		k.beginCheck()
	}
}

// look mends what needs it. What may have to be tried many times is tried when
// a second has gone by (tick).
func (k *keeper) look(tick bool) {
	now := k.writer.now.Load()
	switch cause := k.cause(now, tick); {
	case cause != nil:
		k.endCheck()
		k.writer.pause(func() { k.mend(cause) })
	case tick && now.err == nil:
		k.flusher.report(k.flusher.flush())
	}
}

// errSuspect: the connections may not work any more.
var errSuspect = errors.New("sqlstore: the storage failed")

// cause returns what is to be mended, or nil.
func (k *keeper) cause(now *state, tick bool) error {
	if now.db == nil {
		if tick {
			return now.err
		}
		return nil
	}
	if err := now.db.check(true); err != nil {
		return err
	}
	switch {
	case errors.Is(now.err, greylist.ErrDamaged):
		k.checkNow()
	case now.err != nil:
		return now.err
	case tick && k.writer.suspect.Load():
		return errSuspect
	}
	return nil
}
