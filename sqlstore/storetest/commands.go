package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

func logCommands(t *testing.T, s greylist.Store) (all []greylist.Command) {
	t.Helper()
	if err := s.LogCommands(t.Context(), func(c greylist.Command) { all = append(all, c) }); err != nil {
		t.Errorf("LogCommands: %v", err)
	}
	return all
}

// testCommands: each command is logged once, by whatever program.
func testCommands(t *testing.T, db Database) {
	stores := pair(t, db)
	want := []greylist.Command{
		{At: 100, Host: "mx1", UID: 0, User: "root", Sudo: "ann", Words: "pass 192.0.2.1 a@x 'b'@y"},
		{At: 90, Host: "名", UID: 4294967294, Words: "forget --domain example.net"},
	}
	for _, c := range want {
		if err := stores[0].RecordCommand(t.Context(), c); err != nil {
			t.Fatalf("RecordCommand: %v", err)
		}
	}
	if got := logCommands(t, stores[1]); !slices.Equal(got, want) {
		t.Errorf("logged %+v, want %+v", got, want)
	}
	for i, s := range stores {
		if got := logCommands(t, s); got != nil {
			t.Errorf("store %d logs again %+v", i, got)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := stores[0].RecordCommand(ended, want[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("RecordCommand: %v", err)
	}
	if err := stores[0].LogCommands(ended, func(greylist.Command) { t.Error("logged") }); !errors.Is(err, context.Canceled) {
		t.Errorf("LogCommands: %v", err)
	}
}

// testCommandsAtOnce: of several daemons that log at the same time one logs a command.
func testCommandsAtOnce(t *testing.T, db Database) {
	const commands, loggers = 20, 4
	stores := pair(t, db)
	for n := range commands {
		if err := stores[0].RecordCommand(t.Context(), greylist.Command{At: int64(n), Words: "pass"}); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	logged := map[int64]int{}
	var wg sync.WaitGroup
	for i := range loggers {
		wg.Go(func() {
			err := stores[i%2].LogCommands(t.Context(), func(c greylist.Command) {
				mu.Lock()
				defer mu.Unlock()
				logged[c.At]++
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(logged) != commands {
		t.Errorf("logged %d, want %d", len(logged), commands)
	}
	for at, n := range logged {
		if n != 1 {
			t.Errorf("the command of %d is logged %d times", at, n)
		}
	}
}

// testCommandsBound: without a daemon, the newest are kept.
func testCommandsBound(t *testing.T, db Database) {
	const more = 3
	s := open(t, db)
	var wg sync.WaitGroup
	for n := range backend.MaxCommands {
		wg.Go(func() {
			if err := s.RecordCommand(t.Context(), greylist.Command{Words: "early"}); err != nil {
				t.Errorf("%d: %v", n, err)
			}
		})
	}
	wg.Wait()
	for n := range more {
		if err := s.RecordCommand(t.Context(), greylist.Command{Words: fmt.Sprint(n)}); err != nil {
			t.Fatal(err)
		}
	}
	got := logCommands(t, s)
	if n := len(got); n != backend.MaxCommands || got[n-1].Words != fmt.Sprint(more-1) || got[n-more-1].Words != "early" {
		t.Errorf("%d are kept; the last are %+v", n, got[max(n-more-1, 0):])
	}
}
