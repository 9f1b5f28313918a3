package sqlite

import (
	"errors"
	"path/filepath"
	"reflect"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// TestSynchronous: with full, an answer waits for the disk, and with normal it
// does not; also once it was changed, or the database opened anew. Checkpoints
// always do.
func TestSynchronous(t *testing.T) {
	t.Parallel()
	for _, synchronous := range []string{"", backend.Full, backend.Normal} {
		path := t.TempDir() + "/greyglass.db"
		opened, err := Open(t.Context(), "sqlite:"+path, backend.Options{Create: true, Synchronous: synchronous})
		if err != nil {
			t.Fatal(err)
		}
		s := opened
		n := int64(10)
		check := func(waits bool) {
			t.Helper()
			db := s.writer.now.Load().db
			if err := db.log.Close(); err != nil { // so that the disk can't be reached
				t.Fatal(err)
			}
			n++
			err := put(s, n, greylist.Entry{FirstSeen: n})()
			if fault := new(greylist.Fault); waits != errors.As(err, &fault) || waits != errors.Is(err, errSync) {
				t.Errorf("%q: %v", synchronous, err)
			}
			if got := s.Numbers(); waits && got.Failed == 0 {
				t.Errorf("%q: no failure was counted", synchronous)
			}
			var got int64
			if err := db.flushing.QueryRowContext(t.Context(), `PRAGMA synchronous`).Scan(&got); err != nil || got != 2 {
				t.Errorf("%q: for checkpoints %d, %v; want 2", synchronous, got, err)
			}
			s.writer.suspect.Store(true) // as it is after a failure
			for s.writer.suspect.Load() {
				recovers(t, s, n) // once the keeper has opened it anew
			}
		}
		waits := synchronous != backend.Normal
		check(waits)
		remove(t, path)
		recovers(t, s, 1)
		check(waits)
		for synchronous, waits = range map[string]bool{backend.Full: true, backend.Normal: false} {
			if err := SetSynchronous(s, synchronous); err != nil {
				t.Error(err)
			}
			check(waits)
			remove(t, path)
			recovers(t, s, 1)
			check(waits)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := Open(t.Context(), "sqlite:"+t.TempDir()+"/greyglass.db", backend.Options{Create: true, Synchronous: "off"}); err == nil {
		t.Error("off is taken")
	}
	if err := SetSynchronous(nil, "off"); err == nil {
		t.Error("off is taken")
	}
}

// TestDiskUnreached: what was committed and did not reach the disk is not answered,
// and nothing is committed behind it in the log until the database has all of it.
// Who is known is let through all the same.
func TestDiskUnreached(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	fill(t, s, 10)
	stopKeeper(s) // what it does is done here
	db := s.writer.now.Load().db
	if err := db.log.Close(); err != nil { // so that the disk can't be reached
		t.Fatal(err)
	}
	letThrough := func(remembered *greylist.Entry) (greylist.Entry, bool) {
		return greylist.Entry{FirstSeen: 1, PassedAt: 2}, remembered.PassedAt == 0
	}
	if err := s.Update(t.Context(), storetest.Numbered(1), letThrough); !errors.Is(err, errSync) {
		t.Errorf("who comes back is answered: %v", err)
	}
	committed := used(t, s)
	once := greylist.History{Answered: []greylist.Answered{{Hour: greylist.Hour, Via: "milter", Count: 1}}}
	for _, err := range []error{put(s, 11, greylist.Entry{FirstSeen: 11})(), s.Record(t.Context(), once), s.Ping(t.Context())} {
		if fault := new(greylist.Fault); !errors.As(err, &fault) || !errors.Is(err, errSync) {
			t.Errorf("later: %v", err)
		}
	}
	if used(t, s) != committed {
		t.Error("something was committed behind what may not be on the disk")
	}
	if err := s.Update(t.Context(), storetest.Numbered(1), letThrough); err != nil {
		t.Errorf("who is known: %v", err)
	}

	s.writer.pause(func() { s.keeper.persist(t.Context(), db) })
	crashed := filepath.Join(t.TempDir(), "greyglass.db")
	writeFile(t, crashed, readFile(t, s.path)) // without the log
	c := open(t, crashed)
	if e, err := c.Get(t.Context(), storetest.Numbered(1)); err != nil || e == nil || e.PassedAt != 2 {
		t.Errorf("after a power cut: %+v, %v", e, err)
	}
	closesWhole(t, c, 9)

	s.writer.now.Load().db.log.Close()
	if err := s.Record(t.Context(), once); err != nil { // since it has added it
		t.Error(err)
	}
	s.writer.pause(func() { s.keeper.persist(t.Context(), s.writer.now.Load().db) })
	if h, err := s.History(t.Context(), 0); err != nil || !reflect.DeepEqual(h, once) {
		t.Errorf("%+v, %v; want %+v", h, err, once)
	}
	recovers(t, s, 11)
	closesWhole(t, s, 10)
}

// TestRoom: the log grows by steps, and what it has room for is nothing to whoever
// opens the database after a crash.
func TestRoom(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	log := walOf(s.path)
	const rows = 400 // one after the other: some megabytes
	steps := make(map[int64]bool)
	for n := range int64(rows) {
		if err := put(s, n, greylist.Entry{FirstSeen: n})(); err != nil {
			t.Fatal(err)
		}
		steps[fileSize(t, log)] = true
		if n%100 != 99 {
			continue
		}
		crashed := filepath.Join(t.TempDir(), "greyglass.db")
		for _, suffix := range []string{"", "-wal"} {
			writeFile(t, crashed+suffix, readFile(t, s.path+suffix)) // as a kill leaves it
		}
		closesWhole(t, open(t, crashed), n+1)
	}
	if fileSize(t, log) <= used(t, s) || len(steps) > rows/10 {
		t.Errorf("%d bytes, %d of them in use, after %d sizes", fileSize(t, log), used(t, s), len(steps))
	}
}
