package judge

import (
	"bytes"
	"sync"
)

// logbook is what a log was written to, also by timers, which cannot be waited for.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logbook) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

func (b *logbook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logbook) Len() int { return len(b.String()) }

func (b *logbook) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Reset()
}
