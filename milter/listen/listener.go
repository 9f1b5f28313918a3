package listen

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Listener is a listener of a front end whose connections pass the limiter.
type Listener struct {
	inner   net.Listener
	limiter *Limiter
	once    sync.Once
	closed  chan struct{}
}

// listener returns a listener whose connections pass the limiter.
func (l *Limiter) listener(inner net.Listener) *Listener {
	return &Listener{inner: inner, limiter: l, closed: make(chan struct{})}
}

// Close closes the listener. It may be called again.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.inner.Close()
}

// Addr returns the listener's address.
func (l *Listener) Addr() net.Addr { return l.inner.Addr() }

// AcceptConn returns the next connection that the limiter admits. It retries errors
// such as a lack of file descriptors; its error means that the listener was closed.
func (l *Listener) AcceptConn() (*Conn, error) {
	const first, longest = 5 * time.Millisecond, time.Second
	for pause := first; ; {
		nc, err := l.inner.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil, err
		case err != nil:
			l.limiter.log.acceptFailed(l.Addr().String(), err)
			select {
			case <-time.After(pause):
			case <-l.closed:
			}
			pause = min(2*pause, longest)
		default:
			pause = first
			if c := l.limiter.Admit(nc); c != nil {
				return c, nil
			}
			_ = nc.Close()
		}
	}
}
