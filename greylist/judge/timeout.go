package judge

import (
	"context"
	"sync"
	"time"
)

// timeout is a context as [context.WithTimeout] makes it. Most answers wait for nothing,
// so it has no timer until Done is called.
type timeout struct {
	parent context.Context
	ends   time.Time

	mu     sync.Mutex
	timed  context.Context // nil until Done is called
	cancel context.CancelFunc
}

func withTimeout(parent context.Context, after time.Duration) *timeout {
	return &timeout{parent: parent, ends: time.Now().Add(after)}
}

// end frees what it holds.
func (t *timeout) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cancel != nil {
		t.cancel()
	}
}

func (t *timeout) Deadline() (time.Time, bool) {
	if earlier, ok := t.parent.Deadline(); ok && earlier.Before(t.ends) {
		return earlier, true
	}
	return t.ends, true
}

func (t *timeout) Done() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timed == nil {
		t.timed, t.cancel = context.WithDeadline(t.parent, t.ends)
	}
	return t.timed.Done()
}

// present returns the context with a timer, if there is one, else the parent.
func (t *timeout) present() (ctx context.Context, timed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timed == nil {
		return t.parent, false
	}
	return t.timed, true
}

func (t *timeout) Err() error {
	ctx, timed := t.present()
	if err := ctx.Err(); err != nil || timed || time.Now().Before(t.ends) {
		return err
	}
	t.Done() // whose error stays
	return context.DeadlineExceeded
}

func (t *timeout) Value(key any) any {
	ctx, _ := t.present()
	return ctx.Value(key)
}
