package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
	l.flush()
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

// stuck is a log that nobody reads until it is released.
type stuck struct {
	released chan struct{}
	writes   []string
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.released
	s.writes = append(s.writes, string(p))
	return len(p), nil
}

// TestLogWriterStuck: while a line is being written nobody waits for it, until too
// many lines wait; then they go together.
func TestLogWriterStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &stuck{released: make(chan struct{})}
		l := newLogWriter(out)
		go fmt.Fprintln(l, "first")
		synctest.Wait()
		fmt.Fprintln(l, "second")
		fmt.Fprintln(l, strings.Repeat("x", maxWaiting-len("second\n")-1))
		done := false
		go func() {
			fmt.Fprintln(l, "last")
			done = true
		}()
		synctest.Wait()
		if done {
			t.Error("more waits than should")
		}
		close(out.released)
		synctest.Wait()
		l.flush()
		if !done || len(out.writes) < 2 || out.writes[0] != "first\n" || !strings.HasPrefix(out.writes[1], "second\nxxx") ||
			!strings.HasSuffix(strings.Join(out.writes, ""), "x\nlast\n") {
			t.Errorf("%d writes", len(out.writes))
		}
	})
}

// TestLogStuck: whoever logs does not wait either, in any format, and what they log
// goes together.
func TestLogStuck(t *testing.T) {
	for name, open := range map[string]func(io.Writer) (*slog.Logger, *logHandler){
		"text": func(w io.Writer) (*slog.Logger, *logHandler) {
			return newLog(w, false, config.Log{Level: "info", Format: "text"})
		},
		"json": func(w io.Writer) (*slog.Logger, *logHandler) {
			return newLog(w, false, config.Log{Level: "info", Format: "json"})
		},
		"journal": func(w io.Writer) (*slog.Logger, *logHandler) {
			return newLog(w, true, config.Log{Level: "info", Format: "text"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			const sessions = 50
			out := &stuck{released: make(chan struct{})}
			log, handler := open(out)
			logged := make(chan bool, 1+sessions)
			for i := range 1 + sessions {
				go func() {
					log.Info("decision", "session", i)
					logged <- true
				}()
			}
			for range sessions { // all but the one who writes
				select {
				case <-logged:
				case <-time.After(time.Minute):
					t.Fatal("who logs waits for the one who writes")
				}
			}
			close(out.released)
			<-logged
			handler.w.flush()
			if n := strings.Count(strings.Join(out.writes, ""), "decision"); n != 1+sessions || len(out.writes) != 2 {
				t.Errorf("%d lines by %d writes, want %d by 2", n, len(out.writes), 1+sessions)
			}
		})
	}
}

// TestLogWriterFails: a log that can't be written to says so.
func TestLogWriterFails(t *testing.T) {
	l := newLogWriter(broken{})
	if _, err := fmt.Fprintln(l, "line"); !errors.Is(err, errBroken) {
		t.Errorf("%v, want that it is broken", err)
	}
}

var errBroken = errors.New("broken pipe")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }
