package sqlite

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// TestLocked: while another connection holds the lock for writing, reading
// goes on, callers get their context's error in time, and those who still wait
// are served as soon as the lock has gone.
func TestLocked(t *testing.T) {
	for _, lock := range []string{`BEGIN IMMEDIATE`, `BEGIN EXCLUSIVE`} {
		t.Run(lock, func(t *testing.T) {
			s := openNew(t)
			if err := put(s, 1, greylist.Entry{FirstSeen: 1})(); err != nil {
				t.Fatal(err)
			}
			other := raw(t, s.path)
			execute(t, other, lock)

			waiting := make(chan error)
			go func() { waiting <- put(s, 2, greylist.Entry{FirstSeen: 2})() }()

			ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
			defer cancel()
			began := time.Now()
			err := storetest.Update(ctx, s, storetest.Numbered(3), storetest.Remember(greylist.Entry{FirstSeen: 3}))
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > time.Second {
				t.Errorf("%v after %v, want %v after 150ms", err, took, context.DeadlineExceeded)
			}
			if e, err := s.Get(t.Context(), storetest.Numbered(1)); err != nil || e == nil {
				t.Errorf("reading: %+v, %v", e, err)
			}
			second := open(t, s.path) // a command can be run
			if stats, err := second.Stats(t.Context()); err != nil || stats.Waiting != 1 {
				t.Errorf("reading: %+v, %v", stats, err)
			}
			if err := second.Close(); err != nil {
				t.Error(err)
			}
			execute(t, other, `COMMIT`)
			if err := <-waiting; err != nil {
				t.Errorf("who waited on: %v", err)
			}
			if err := put(s, 4, greylist.Entry{FirstSeen: 4})(); err != nil {
				t.Error(err)
			}
			if e, err := s.Get(t.Context(), storetest.Numbered(3)); err != nil || e != nil {
				t.Errorf("who had gone is remembered: %+v, %v", e, err)
			}
		})
	}
}

// TestLockedForLong: while another program holds the lock, those who need no
// write are answered at once, however many wait to write; the others get an
// error in time that says why. It is over as soon as the lock has gone.
func TestLockedForLong(t *testing.T) {
	t.Parallel()
	s, j := openLogged(t, t.TempDir()+"/greyglass.db")
	fill(t, s, 100)
	cmd, stdout := child(t, "lock", s.path)
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range int64(3 * maxBatch) {
		wg.Go(func() {
			took, err := inTime(t, s, 1_000_000+i, storetest.Remember(greylist.Entry{FirstSeen: 1}))
			var fault *greylist.Fault
			if !errors.As(err, &fault) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "locked by another program") || took > 20*time.Second {
				t.Errorf("%v after %v", err, took)
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	for i := range int64(100) {
		stillKnown(t, s, i)
	}
	wg.Wait()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	recovers(t, s, 100)
	j.logs(t)
	closesWhole(t, s, 101)
}

// TestCloseLocked: Close does not wait for another program's lock for long.
func TestCloseLocked(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir()+"/greyglass.db")
	fill(t, s, 10)
	other := raw(t, s.path)
	execute(t, other, `BEGIN EXCLUSIVE`)
	waiting := make(chan error)
	go func() { waiting <- put(s, 10, greylist.Entry{FirstSeen: 10})() }()
	for !s.writer.locked.Load() {
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	err := s.Close()
	if took := time.Since(began); took > backend.CloseTimeout+20*time.Second {
		t.Errorf("it took %v", took)
	}
	t.Log("Close: ", err)
	if err := <-waiting; err == nil || !strings.Contains(err.Error(), "locked") {
		t.Errorf("who waited on: %v", err)
	}
	execute(t, other, `COMMIT`)
	other.Close()
	closesWhole(t, open(t, s.path), 10)
}

// TestLockHolder: another program reads while mail flows, and may hold a lock.
func TestLockHolder(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	flowing, stop := make(chan error), make(chan struct{})
	go func() {
		defer close(flowing)
		for n := int64(0); ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := within(t, s, longWait, n, storetest.Remember(greylist.Entry{FirstSeen: n})); err != nil {
				flowing <- err
				return
			}
		}
	}()
	for range 3 {
		cmd, stdout := child(t, "lock", s.path)
		if _, err := stdout.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
	}
	close(stop)
	if err := <-flowing; err != nil {
		t.Errorf("mail was stopped: %v", err)
	}
}
