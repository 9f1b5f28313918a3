package main

import (
	"io"
	"sync"
)

// logWriter writes the lines of the log, each at once. Lines that come while
// another is being written are written together after it: so where there are many,
// one write is made for several, and nobody waits for another's.
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
	l.writeWaiting()
	if len(l.waiting) > 0 {
		go l.drain() // for those who came meanwhile
	} else {
		l.end()
	}
	return len(line), l.err
}

// drain writes what is waiting, until nothing is.
func (l *logWriter) drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.waiting) > 0 {
		l.writeWaiting()
	}
	l.end()
}

// writeWaiting writes what is waiting now. The lock is held, but for the writing.
func (l *logWriter) writeWaiting() {
	lines := l.waiting
	l.waiting = l.spare[:0]
	l.changed.Broadcast()
	l.mu.Unlock()
	_, err := l.w.Write(lines)
	l.mu.Lock()
	l.spare, l.err = lines, err
}

func (l *logWriter) end() {
	l.writing = false
	l.changed.Broadcast()
}

// flush waits until all lines are written.
func (l *logWriter) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.writing {
		l.changed.Wait()
	}
}
