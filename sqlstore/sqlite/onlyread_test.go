package sqlite

import (
	"errors"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// TestStartedWhileReading: who reads a closed database without locks learns that a daemon
// has written to it since; who reads an open one has SQLite's locks.
func TestStartedWhileReading(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/greyglass.db"
	reads := func(n int64) *Store {
		t.Helper()
		d, err := openOnlyRead(t.Context(), path, len(migrations))
		if err != nil {
			t.Fatal(err)
		}
		s := &Store{path: path, writer: &writer{}}
		s.Common = backend.NewCommon(s, "")
		s.writer.current.Store(&state{d, d.refuses})
		t.Cleanup(func() { _ = d.close() })
		if st, err := s.Stats(t.Context()); err != nil || st.Waiting != n {
			t.Errorf("%d wait, %v; want %d", st.Waiting, err, n)
		}
		return s
	}
	writes := func(n int64) *Store {
		t.Helper()
		s := open(t, path)
		if err := storetest.Update(t.Context(), s, storetest.Numbered(n), storetest.Remember(greylist.Entry{FirstSeen: 1})); err != nil {
			t.Fatal(err)
		}
		return s
	}
	if err := writes(1).Close(); err != nil {
		t.Fatal(err)
	}
	closed := reads(1)
	if err := closed.writer.current.Load().db.only.check(); err != nil {
		t.Error(err)
	}
	daemon := writes(2)
	beside := reads(2)
	if err := daemon.Close(); err != nil {
		t.Fatal(err)
	}
	if err := closed.Failed(t.Context(), errors.New("malformed")); err != errStarted {
		t.Errorf("a read of the closed database: %v", err)
	}
	if err := closed.Backup(t.Context(), path+".backup", nil); !errors.Is(err, errStarted) {
		t.Errorf("a backup of the closed database: %v", err)
	}
	if err := beside.Backup(t.Context(), path+".backup", nil); err != nil {
		t.Errorf("a backup beside the daemon: %v", err)
	}
}
