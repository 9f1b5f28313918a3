package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"greyglass/cmd/greyglass/internal/config"
)

// TestLogWriterLines: every line is there, whole, and those of each writer are in
// their order.
func TestLogWriterLines(t *testing.T) {
	const writers, lines = 20, 500
	var out bytes.Buffer
	l := newLogWriter(&out)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range lines {
				if _, err := fmt.Fprintf(l, "%d %d\n", w, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if !l.flush(time.Minute) {
		t.Error("not flushed")
	}
	var next [writers]int
	for line := range strings.Lines(out.String()) {
		var w, i int
		if n, err := fmt.Sscanf(line, "%d %d\n", &w, &i); n != 2 || err != nil || i != next[w] {
			t.Fatalf("%q, want line %d of its writer", line, next[w])
		}
		next[w]++
	}
	for w, n := range next {
		if n != lines {
			t.Errorf("%d lines of writer %d, want %d", n, w, lines)
		}
	}
}

// stuck is a log that is not read until it is released.
type stuck struct {
	released chan struct{}
	writes   []string
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.released
	s.writes = append(s.writes, string(p))
	return len(p), nil
}

// TestLogWriterStuck: lines that find the buffer full are dropped, the first of them
// after a moment; when the log is written again, their number is reported once.
func TestLogWriterStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &stuck{released: make(chan struct{})}
		l := newLogWriter(out)
		var reports []string
		l.recovered = func(dropped int64, after time.Duration) {
			reports = append(reports, fmt.Sprintf("%d after %v", dropped, after))
		}
		fmt.Fprintln(l, "first")
		synctest.Wait()
		fmt.Fprintln(l, "second")
		fmt.Fprintln(l, strings.Repeat("x", maxLogBuffer-len("second\n")-1))
		began := time.Now()
		for range 10 {
			fmt.Fprintln(l, "dropped")
		}
		if waited := time.Since(began); waited != maxLogWait {
			t.Errorf("10 lines waited for %v, want %v", waited, maxLogWait)
		}
		if l.flush(time.Second) {
			t.Error("flushed a log that is not read")
		}
		close(out.released)
		if !l.flush(time.Second) {
			t.Error("not flushed")
		}
		fmt.Fprintln(l, "last")
		synctest.Wait()
		if want := []string{"first\n", "second\n" + strings.Repeat("x", maxLogBuffer-8) + "\n", "last\n"}; !slices.Equal(out.writes, want) {
			t.Errorf("%d writes", len(out.writes))
		}
		if want := []string{"10 after 1s"}; !slices.Equal(reports, want) || l.lost() != 10 {
			t.Errorf("reported %q, want %q; lost %d", reports, want, l.lost())
		}
	})
}

// TestLogWriterSlow: a line that finds the buffer full waits a moment for room.
func TestLogWriterSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &stuck{released: make(chan struct{})}
		l := newLogWriter(out)
		fmt.Fprintln(l, "first")
		synctest.Wait()
		fmt.Fprintln(l, strings.Repeat("x", maxLogBuffer-1))
		time.AfterFunc(maxLogWait/2, func() { close(out.released) })
		fmt.Fprintln(l, "last")
		if !l.flush(time.Second) || l.lost() != 0 || out.writes[len(out.writes)-1] != "last\n" {
			t.Errorf("%d writes, lost %d", len(out.writes), l.lost())
		}
	})
}

// TestLogStuck: sessions that log do not wait for the log, in any format, and their
// lines go together.
func TestLogStuck(t *testing.T) {
	for _, c := range []struct {
		format  string
		journal bool
	}{{"text", false}, {"json", false}, {"text", true}} {
		synctest.Test(t, func(t *testing.T) {
			const sessions = 50
			out := &stuck{released: make(chan struct{})}
			log, handler := newLog(out, c.journal, config.Log{Level: "info", Format: c.format})
			log.Info("decision")
			synctest.Wait()
			for i := range sessions {
				log.Info("decision", "session", i)
			}
			close(out.released)
			if !handler.w.flush(time.Second) {
				t.Error("not flushed")
			}
			if n := strings.Count(strings.Join(out.writes, ""), "decision"); n != 1+sessions || len(out.writes) != 2 {
				t.Errorf("%v: %d lines by %d writes, want %d by 2", c, n, len(out.writes), 1+sessions)
			}
		})
	}
}

// TestLogWriterFails: lines that cannot be written count as dropped.
func TestLogWriterFails(t *testing.T) {
	l := newLogWriter(broken{})
	fmt.Fprintln(l, "line")
	if !l.flush(time.Minute) || l.lost() != 1 {
		t.Errorf("lost %d, want 1", l.lost())
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }
