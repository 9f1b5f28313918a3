package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// TestSynchronous: the writer's commits are as durable as was asked for, also once
// that was changed, or the database reopened. Checkpoints always are.
func TestSynchronous(t *testing.T) {
	t.Parallel()
	for _, synchronous := range []string{"", backend.Full, backend.Normal} {
		path := t.TempDir() + "/greyglass.db"
		s, err := Open(t.Context(), "sqlite:"+path, backend.Options{Create: true, Synchronous: synchronous})
		if err != nil {
			t.Fatal(err)
		}
		check := func(want int64) {
			t.Helper()
			recovers(t, s, 1)
			var writes, checkpoints int64
			s.writer.pause(t.Context(), func() {
				db := s.writer.current.Load().db
				const asked = `PRAGMA synchronous` // is answered when it is prepared
				fresh := direct{db.writing.Conn, make(map[string]*statement)}
				_, err := fresh.first(asked, []*int64{&writes})
				if err == nil {
					err = errors.Join(fresh.prepared[asked].Close(), db.checkpoints.QueryRowContext(t.Context(), asked).Scan(&checkpoints))
				}
				if err != nil || writes != want || checkpoints != 2 {
					t.Errorf("%q: %d for commits, %d for checkpoints, %v; want %d and 2", synchronous, writes, checkpoints, err, want)
				}
			})
		}
		want := int64(2)
		if synchronous == backend.Normal {
			want = 1
		}
		check(want)
		remove(t, path)
		check(want)
		for synchronous, want = range map[string]int64{backend.Full: 2, backend.Normal: 1} {
			if err := SetSynchronous(s, synchronous); err != nil {
				t.Error(err)
			}
			check(want)
			remove(t, path)
			check(want)
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

// TestFlushFails: what does not reach the disk is not answered and not remembered. A
// known triplet is let through all the same, and once the disk takes writes again, the
// log holds all that was answered.
func TestFlushFails(t *testing.T) {
	s := openNew(t)
	s.checkpointer.close()
	fill(t, s, 10)
	if _, whole, err := s.writer.current.Load().db.checkpoint("PASSIVE"); err != nil || !whole {
		t.Fatal(whole, err)
	}
	n := int64(10)
	restore, err := breakFlush(t, s.path, func() error {
		n++
		return put(s, n, greylist.Entry{FirstSeen: n})()
	})
	if fault := new(greylist.Fault); !errors.As(err, &fault) || !strings.Contains(err.Error(), "disk I/O error") || fault.Advice == "" {
		t.Fatalf("a failed flush is answered by %v", err)
	}
	if e, err := s.Get(t.Context(), storetest.Numbered(n)); err != nil || e != nil {
		t.Errorf("what did not reach the disk is remembered: %+v, %v", e, err)
	}
	stillKnown(t, s, 7)
	restore()
	recovers(t, s, n)
	crashed := filepath.Join(t.TempDir(), "greyglass.db")
	for _, suffix := range []string{"", "-wal"} {
		writeFile(t, crashed+suffix, readFile(t, s.path+suffix)) // as a power cut leaves it
	}
	closesWhole(t, open(t, crashed), n)
}

// breakFlush has write fail by the descriptor of the log that it flushes: writing to
// /dev/null succeeds, and flushing does not (fdatasync(2)). It returns what undoes that.
func breakFlush(t *testing.T, path string, write func() error) (restore func(), err error) {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for fd := range 1000 {
		if name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err != nil || name != walOf(path) {
			continue
		}
		saved, err := syscall.Dup(fd)
		if err == nil {
			err = syscall.Dup3(int(null.Fd()), fd, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		failed := write()
		restore := func() {
			if err := errors.Join(syscall.Dup3(saved, fd, 0), syscall.Close(saved)); err != nil {
				t.Error(err)
			}
		}
		if failed != nil {
			return restore, failed
		}
		restore()
	}
	t.Fatal("no descriptor of the log is flushed")
	return nil, nil
}
