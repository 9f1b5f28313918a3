package listen

import (
	"context"
	"fmt"
	"net"
	"time"
)

// Serve has serve accept the connections of a listener, closes it, and returns the error
// of serve; nil once the limiter is shut down. It may be called for several listeners at
// the same time.
func (l *Limiter) Serve(inner net.Listener, serve func(*Listener) error) error {
	listener := l.listener(inner)
	defer listener.Close()
	l.mu.Lock()
	if l.shut {
		l.mu.Unlock()
		return nil
	}
	l.listeners = append(l.listeners, listener)
	l.serving.Add(1)
	l.mu.Unlock()
	defer l.serving.Done()
	err := serve(listener)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		return nil
	}
	return err
}

// Shutdown closes the listeners, leaves the connections to their sessions for the grace
// period, has every request answered that was received by then, and returns when all
// connections have ended. When the context ends it closes the rest, and returns the
// context's error.
func (l *Limiter) Shutdown(ctx context.Context, grace time.Duration) error {
	l.mu.Lock()
	l.shut = true
	listeners := l.listeners
	l.mu.Unlock()
	for _, listener := range listeners {
		_ = listener.Close()
	}
	l.drain(time.Now().Add(grace))
	l.serving.Wait() // then all accepted connections are counted
	for l.Connections() > 0 {
		select {
		case <-ctx.Done():
			for _, c := range l.all() {
				_ = c.Close()
			}
			return fmt.Errorf("%s: shutdown: %w", l.via, ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}
