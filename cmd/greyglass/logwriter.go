package main

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// logWriter writes the lines of the log. It buffers lines that come during a write, and
// writes them together.
//
// A log that is not read, or that fails, must not stop mail: when the buffer is full, a
// line waits for at most maxLogWait, and is then dropped. Further lines are dropped at
// once until the buffer has been written.
type logWriter struct {
	w         io.Writer
	recovered func(dropped int64, after time.Duration) // logs the dropped lines; may be nil

	mu       sync.Mutex
	buffer   []byte        // lines to be written
	spare    []byte        // the next buffer
	writing  chan struct{} // closed at the end of the present write; nil if there is none
	stuck    bool          // a line has waited for maxLogWait in vain
	dropped  int64         // lines since the start
	reported int64         // of these
	since    time.Time     // when the first line was dropped that is not reported
}

const (
	maxLogBuffer = 256 << 10 // octets
	maxLogWait   = 20 * time.Millisecond
)

func newLogWriter(w io.Writer) *logWriter { return &logWriter{w: w} }

// Write takes a whole line.
func (l *logWriter) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full(line) && !l.stuck {
		l.stuck = !l.wait(maxLogWait, func() bool { return !l.full(line) })
	}
	if l.full(line) {
		l.drop(1)
		return len(line), nil
	}
	l.buffer = append(l.buffer, line...)
	if l.writing == nil {
		l.writing = make(chan struct{})
		go l.drain()
	}
	return len(line), nil
}

func (l *logWriter) full(line []byte) bool {
	return l.writing != nil && len(l.buffer) > 0 && len(l.buffer)+len(line) > maxLogBuffer
}

func (l *logWriter) drop(lines int) {
	if l.dropped == l.reported {
		l.since = time.Now()
	}
	l.dropped += int64(lines)
}

// wait waits until the condition holds, which it checks at the end of each write, and
// returns false after the limit. It releases the lock while it waits.
func (l *logWriter) wait(limit time.Duration, holds func() bool) bool {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	for !holds() {
		ended := l.writing
		l.mu.Unlock()
		select {
		case <-ended:
			l.mu.Lock()
		case <-timeout.C:
			l.mu.Lock()
			return holds()
		}
	}
	return true
}

// drain writes the buffer until it is empty.
func (l *logWriter) drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	for len(l.buffer) > 0 {
		lines := l.buffer
		l.buffer = l.spare[:0]
		l.mu.Unlock()
		_, err = l.w.Write(lines)
		l.mu.Lock()
		l.spare = lines
		if err != nil {
			l.drop(bytes.Count(lines, []byte("\n")))
		}
		close(l.writing)
		l.writing = make(chan struct{})
	}
	close(l.writing)
	l.writing = nil
	l.stuck = false
	if n := l.dropped - l.reported; n > 0 && err == nil {
		l.reported = l.dropped
		if l.recovered != nil {
			go l.recovered(n, time.Since(l.since))
		}
	}
}

// flush waits until all lines are written, and returns false after the limit.
func (l *logWriter) flush(limit time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wait(limit, func() bool { return l.writing == nil })
}

// lost returns how many lines were dropped since the start.
func (l *logWriter) lost() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}
