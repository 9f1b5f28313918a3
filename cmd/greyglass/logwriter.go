package main

import (
	"io"
	"sync"
)

// logWriter writes the lines of the log, each at once. Lines that come while
// another is being written are written together after it, by whoever writes
// then: so a write is made for many lines where there are many, and nobody but
// that one waits for it.
type logWriter struct {
	w io.Writer

	mu      sync.Mutex
	changed sync.Cond // waiting was taken, or the writing has ended
	waiting []byte    // lines
	spare   []byte    // for the next of them
	writing bool
	err     error // of the last write
}

// maxWaiting is how many octets wait at most; who has more waits for room, so
// that a log that nobody reads takes no more memory than this.
const maxWaiting = 256 << 10

func newLogWriter(w io.Writer) *logWriter {
	l := &logWriter{w: w}
	l.changed.L = &l.mu
	return l
}

// Write takes a whole line. Its error is that of a line before.
func (l *logWriter) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.writing && len(l.waiting) > 0 && len(l.waiting)+len(line) > maxWaiting {
		l.changed.Wait()
	}
	l.waiting = append(l.waiting, line...)
	if l.writing {
		return len(line), l.err
	}
	l.writing = true
	for len(l.waiting) > 0 {
		lines := l.waiting
		l.waiting = l.spare[:0]
		l.changed.Broadcast()
		l.mu.Unlock()
		_, err := l.w.Write(lines)
		l.mu.Lock()
		l.spare, l.err = lines, err
	}
	l.writing = false
	l.changed.Broadcast()
	return len(line), l.err
}

// flush waits until all lines are written.
func (l *logWriter) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.writing {
		l.changed.Wait()
	}
}
