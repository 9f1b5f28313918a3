package chaos

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// worker is a mail server's process: it holds one connection at a time.
type worker struct {
	*checker
	places *places
	people *population
	proxy  *proxy
	rand   *rand.Rand
}

// work makes attempts for correspondents that are due, until the context ends.
func (w *worker) work(ctx context.Context) {
	for ctx.Err() == nil {
		d := w.daemon()
		if d == nil || !d.alive() {
			pause(ctx, 20*time.Millisecond)
			continue
		}
		var idle bool
		if w.rand.IntN(3) == 0 {
			idle = w.policySession(ctx, d)
		} else {
			idle = w.milterSession(ctx, d)
		}
		if idle {
			pause(ctx, time.Duration(10+w.rand.IntN(40))*time.Millisecond)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// dial connects by a unix socket, by inet, or by way of the proxy.
func (w *worker) dial(d *daemon, unix, inet string) (wire, error) {
	var conn net.Conn
	var err error
	var cut func() bool
	switch k := w.rand.IntN(10); {
	case k == 0:
		conn, cut, err = w.proxy.dial(inet, w.rand.Int64())
	case k < 5:
		conn, err = net.Dial("unix", unix)
	default:
		conn, err = net.Dial("tcp", inet)
	}
	if err != nil {
		return wire{}, err
	}
	return wire{Conn: conn, in: bufio.NewReader(conn), daemon: d, cut: cut}, nil
}

// begin connects for a correspondent that is due. It returns nil if none is, or the
// daemon can't be reached.
func (w *worker) begin(d *daemon, unix, inet string) (first *correspondent, conn wire) {
	if first = w.people.lease(); first == nil {
		return nil, wire{}
	}
	conn, err := w.dial(d, unix, inet)
	if err != nil {
		w.people.free(first, 50*time.Millisecond)
		return nil, wire{}
	}
	w.counts.sessions.Add(1)
	return first, conn
}

// messages is how many messages a session has: one, or as many as a busy MTA's.
func (w *worker) messages() int {
	if w.rand.IntN(2) == 0 {
		return 1
	}
	return 1 + w.rand.IntN(20)
}

// milterSession is one milter connection. It reports whether no correspondent was served.
func (w *worker) milterSession(ctx context.Context, d *daemon) (idle bool) {
	first, conn := w.begin(d, w.places.milterUnix, w.places.milterInet)
	if first == nil {
		return true
	}
	defer conn.Close()
	m := &milterConn{wire: conn}
	version := uint32(6)
	if w.rand.IntN(8) == 0 {
		version = 2
	}
	if err := m.negotiate(version); err != nil {
		w.people.free(first, 50*time.Millisecond)
		return true
	}
	for c, left := first, w.messages(); c != nil; c = w.people.lease() {
		alive := w.offer(m, c)
		w.people.free(c, w.retry())
		if !alive {
			return false
		}
		left--
		if left == 0 || ctx.Err() != nil {
			break
		}
		pause(ctx, time.Duration(w.rand.IntN(20))*time.Millisecond)
		m.command('K', nil)
	}
	m.command('Q', nil)
	_ = m.send(m.out)
	return false
}

// offer offers a message of the correspondent, to some or all whom it writes
// to, and reports whether the connection is still there.
func (w *worker) offer(m *milterConn, c *correspondent) (alive bool) {
	c.tries++
	e := &c.triplets[0].envelope
	if m.hello(e) != nil || m.mail(e) != nil {
		return false
	}
	if w.rand.IntN(30) == 0 { // begin again, as after STARTTLS or RSET
		m.command('A', nil)
		if m.mail(e) != nil {
			return false
		}
	}
	var left []*triplet
	for _, t := range c.triplets {
		_, ruled := w.inForce.present().rule(&t.envelope)
		later := t.probe() && !ruled
		q := w.ask(m.daemon, later, t)
		if q == nil {
			return false
		}
		if w.settle(q, m.rcpt(q)).err != nil {
			return false
		}
		if later {
			left = append(left, t)
		}
	}
	if len(left) == 0 || w.rand.IntN(10) == 0 { // a callout goes no further
		return true
	}
	q := w.ask(m.daemon, false, left...)
	return q != nil && w.settle(q, m.data(q)).err == nil
}

var lastInstance atomic.Int64

// policySession is one policy connection. It reports whether no correspondent was served.
func (w *worker) policySession(ctx context.Context, d *daemon) (idle bool) {
	first, conn := w.begin(d, w.places.policyUnix, w.places.policyInet)
	if first == nil {
		return true
	}
	defer conn.Close()
	p := &policyConn{conn}
	for c, left := first, w.messages(); c != nil; c = w.people.lease() {
		alive := w.consult(p, c, w.rand.IntN(10) > 0)
		w.people.free(c, w.retry())
		if !alive {
			return false
		}
		left--
		if left == 0 || ctx.Err() != nil {
			break
		}
		pause(ctx, time.Duration(w.rand.IntN(20))*time.Millisecond)
	}
	return false
}

// consult asks by policy about a message; a callout goes no further than RCPT.
func (w *worker) consult(p *policyConn, c *correspondent, whole bool) (alive bool) {
	c.tries++
	instance := fmt.Sprintf("m%d", lastInstance.Add(1))
	var left []*triplet
	for _, t := range c.triplets {
		_, ruled := w.inForce.present().rule(&t.envelope)
		later := t.probe() && !ruled
		q := w.ask(p.daemon, later, t)
		if q == nil {
			return false
		}
		if w.settle(q, p.ask(q, "RCPT", instance)).err != nil {
			return false
		}
		if later {
			left = append(left, t)
		}
	}
	if len(left) == 0 || !whole {
		return true
	}
	q := w.ask(p.daemon, false, left...)
	return q != nil && w.settle(q, p.ask(q, "DATA", instance)).err == nil
}

// retry is when a correspondent tries again: too soon by a lot, by a little, at the
// right time, or too late; often at the very second where that changes.
func (w *worker) retry() time.Duration {
	windows := w.inForce.present().windows
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	switch k := w.rand.IntN(100); {
	case k < 15:
		return ms(w.rand.Int64N(1000))
	case k < 25:
		return ms(windows.tooSoon*1000 + w.rand.Int64N(1000))
	case k < 40:
		return ms(windows.minDefer*1000 - 500 + w.rand.Int64N(1000))
	case k < 80:
		return ms(windows.minDefer*1000 + w.rand.Int64N(3000))
	case k < 92:
		return ms(windows.maxDefer*1000 - 500 + w.rand.Int64N(2000))
	}
	return ms(min(windows.maxGrey, 20)*1000 - 500 + w.rand.Int64N(3000))
}

// crowd runs workers until it is told to stop.
type crowd struct {
	cancel context.CancelFunc
	group  sync.WaitGroup
}

func gather(size int, make func(i int) *worker) *crowd {
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{cancel: cancel}
	for i := range size {
		c.group.Go(func() { make(i).work(ctx) })
	}
	return c
}

func (c *crowd) stop() {
	c.cancel()
	c.group.Wait()
}

// attempt asks by policy about all that the correspondent writes to.
func (w *worker) attempt(c *correspondent) {
	d := w.daemon()
	conn, err := net.Dial("unix", w.places.policyUnix)
	if err != nil {
		w.wrong(nil, "cannot connect: %v", err)
		return
	}
	defer conn.Close()
	w.consult(&policyConn{wire{Conn: conn, in: bufio.NewReader(conn), daemon: d}}, c, true)
}
