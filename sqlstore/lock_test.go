package sqlstore

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
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

			patient := make(chan error)
			go func() { patient <- put(s, 2, greylist.Entry{FirstSeen: 2})() }()

			ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
			defer cancel()
			began := time.Now()
			err := s.Update(ctx, numbered(3), remember(greylist.Entry{FirstSeen: 3}))
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > time.Second {
				t.Errorf("%v after %v, want %v after 150ms", err, took, context.DeadlineExceeded)
			}
			if e, err := s.Get(t.Context(), numbered(1)); err != nil || e == nil {
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
			if err := <-patient; err != nil {
				t.Errorf("who waited on: %v", err)
			}
			if err := put(s, 4, greylist.Entry{FirstSeen: 4})(); err != nil {
				t.Error(err)
			}
			if e, err := s.Get(t.Context(), numbered(3)); err != nil || e != nil {
				t.Errorf("who had gone is remembered: %+v, %v", e, err)
			}
		})
	}
}

// sqlite3Program finds the program, which is older than our library in Debian.
func sqlite3Program(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("there is no sqlite3 program here")
	}
	return program
}

// TestSQLite3Program: people read the database with the sqlite3 program while
// mail flows, and may hold a lock with it.
func TestSQLite3Program(t *testing.T) {
	program := sqlite3Program(t)
	s := openNew(t)
	const at = 1_700_000_000 // 2023-11-14 22:13:20 UTC
	passed := numbered(2)
	passed.Client, passed.Sender = "2001:db8:1::/64", "<>"
	for _, err := range []error{
		put(s, 1, greylist.Entry{FirstSeen: at, LastSeen: at + 60, Deferred: 2})(),
		s.Update(t.Context(), passed, remember(greylist.Entry{FirstSeen: at, LastSeen: at + 7200, PassedAt: at + 3600, Deferred: 1, Accepted: 2})),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	flowing, stop := make(chan error), make(chan struct{})
	go func() {
		for n := int64(3); ; n++ {
			select {
			case <-stop:
				close(flowing)
				return
			default:
			}
			if err := put(s, n, greylist.Entry{FirstSeen: at + n})(); err != nil {
				flowing <- err
				return
			}
		}
	}()
	for _, test := range []struct{ query, want string }{
		{`SELECT * FROM waiting LIMIT 1`, "192.0.0.1|sender1@example.com|recipient@example.org|2023-11-14 22:13:20|2023-11-14 22:14:20|2"},
		{`SELECT * FROM passed`, "2001:db8:1::/64|<>|recipient@example.org|2023-11-14 22:13:20|2023-11-14 23:13:20|2023-11-15 00:13:20|1|2"},
		{`SELECT client, first_seen, passed_at IS NULL FROM triplet LIMIT 2`, "192.0.0.1|1700000000|1\n2001:db8:1::/64|1700000000|0"},
		{`PRAGMA user_version`, "1"},
		{`PRAGMA application_id`, "1196574553"},
		{`PRAGMA integrity_check`, "ok"},
	} {
		out, err := exec.Command(program, s.path, test.query).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != test.want {
			t.Errorf("%s: %q, %v; want %q", test.query, got, err, test.want)
		}
	}
	cmd := exec.Command(program, s.path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{".timeout 5000\nBEGIN EXCLUSIVE;\nSELECT 'locked';\n", "COMMIT;\nSELECT 'freed';\n"} {
		if _, err := io.WriteString(stdin, line); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(stdout, make([]byte, len("freed\n"))); err != nil {
			t.Fatal(err)
		}
	}
	stdin.Close()
	io.Copy(io.Discard, stdout)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	close(stop)
	if err := <-flowing; err != nil {
		t.Errorf("mail was stopped: %v", err)
	}
}
