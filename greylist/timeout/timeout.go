// Package timeout has a context with a timeout that costs nothing where nothing waits.
package timeout

import (
	"context"
	"sync"
	"time"
)

// Context is a context as [context.WithTimeout] makes it. Most answers wait for nothing,
// so it has no timer until Done is called.
type Context struct {
	parent context.Context
	ends   time.Time

	mu     sync.Mutex
	timed  context.Context // nil until Done is called
	cancel context.CancelFunc
}

// With returns a context that ends after a time, or when its parent does.
func With(parent context.Context, after time.Duration) *Context {
	return &Context{parent: parent, ends: time.Now().Add(after)}
}

// End frees what it holds.
func (t *Context) End() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cancel != nil {
		t.cancel()
	}
}

// Deadline implements [context.Context].
func (t *Context) Deadline() (time.Time, bool) {
	if earlier, ok := t.parent.Deadline(); ok && earlier.Before(t.ends) {
		return earlier, true
	}
	return t.ends, true
}

// Done implements [context.Context].
func (t *Context) Done() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timed == nil {
		t.timed, t.cancel = context.WithDeadline(t.parent, t.ends)
	}
	return t.timed.Done()
}

// present returns the context with a timer, if there is one, else the parent.
func (t *Context) present() (ctx context.Context, timed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timed == nil {
		return t.parent, false
	}
	return t.timed, true
}

// Err implements [context.Context].
func (t *Context) Err() error {
	ctx, timed := t.present()
	if err := ctx.Err(); err != nil || timed || time.Now().Before(t.ends) {
		return err
	}
	t.Done() // whose error stays
	return context.DeadlineExceeded
}

// Value implements [context.Context].
func (t *Context) Value(key any) any {
	ctx, _ := t.present()
	return ctx.Value(key)
}
