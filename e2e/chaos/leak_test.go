package chaos

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestLeak has the program, as it is shipped, serve thousands of sessions, some
// of them cut in the middle and some hostile, and looks whether threads, file
// descriptors and memory are back to where they were after the first of them.
func TestLeak(t *testing.T) {
	p := newPlaces(t)
	s := &settings{name: "leak", windows: windows{1, 3, 9, 86400}, onError: "accept", whenBlock: "defer", foreign: "defer"}
	for file, text := range map[string]string{p.config: s.toml(p, false), p.blocked: "", p.exceptions: ""} {
		if err := write(file, text); err != nil {
			t.Fatal(err)
		}
	}
	d, err := start(p, released, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.kill)
	const warmUp = 2000
	visit(t, p, 0, warmUp)
	before := d.settled()
	began := time.Now()
	visit(t, p, warmUp, *sessions)
	after := d.settled()
	t.Logf("%d sessions in %v; before them %+v, after them %+v", *sessions, time.Since(began).Round(time.Millisecond), before, after)
	if after.files > before.files+2 {
		t.Errorf("%d file descriptors, before it were %d", after.files, before.files)
	}
	if after.threads > before.threads+8 { // the runtime keeps those that it has needed at one time
		t.Errorf("%d threads, before it were %d", after.threads, before.threads)
	}
	if after.resident > before.resident+before.resident/2+16 {
		t.Errorf("%d MB, before it were %d", after.resident, before.resident)
	}
	if _, err := d.end(); err != nil {
		t.Error(err)
	}
}

// settled is the usage once no session is left: file descriptors do not become
// fewer for a while.
func (d *daemon) settled() usage {
	last := d.usage()
	for same := 0; same < 10; {
		time.Sleep(100 * time.Millisecond)
		u := d.usage()
		if same++; u.files < last.files {
			same = 0
		}
		last = u
	}
	return last
}

// visit makes n sessions, some at a time. They are the sessions with these
// numbers, so that the daemon comes to know the same few correspondents alone.
func visit(t *testing.T, p *places, first, n int) {
	t.Helper()
	var next atomic.Int64
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			for {
				i := int(next.Add(1))
				if i > n || t.Failed() {
					return
				}
				if err := visitOnce(p, first+i); err != nil {
					t.Errorf("session %d: %v", first+i, err)
				}
			}
		})
	}
	group.Wait()
}

// visitOnce makes one session: every eighth hostile, every eighth cut.
func visitOnce(p *places, i int) error {
	network, milter, policy := "unix", p.milterUnix, p.policyUnix
	if i%2 == 0 {
		network, milter, policy = "tcp", p.milterInet, p.policyInet
	}
	about := &triplet{envelope: envelope{
		client: "203.0.113.7", helo: "mx.example.com",
		sender: fmt.Sprintf("u%d@example.com", i%100), recipient: "bob@" + ourDomain,
	}}
	q := &question{id: "leak", triplets: []*triplet{about}}
	to := milter
	if i%3 == 0 {
		to = policy
	}
	conn, err := new(net.Dialer).DialContext(context.Background(), network, to)
	if err != nil {
		return err
	}
	defer conn.Close()
	w := wire{Conn: conn, in: bufio.NewReader(conn)}
	r := rand.New(rand.NewPCG(uint64(i), 3))
	switch {
	case i%8 == 1:
		s := strangers[r.IntN(len(strangers))]
		_ = w.SetDeadline(time.Now().Add(20 * time.Millisecond)) // then the stranger hangs up
		_, _ = w.Write(s.say(r))
		_, _ = io.Copy(io.Discard, w)
		return nil
	case to == policy && i%8 == 2:
		_, err := w.Write([]byte("request=smtpd_access_policy\nprotocol_state=RCPT\nsender=cut"))
		return err
	case to == policy:
		return (&policyConn{w}).ask(q, "RCPT", "").err
	}
	m := &milterConn{wire: w}
	if err := m.negotiate(6); err != nil {
		return err
	}
	if err := m.hello(&about.envelope); err != nil {
		return err
	}
	if err := m.mail(&about.envelope); err != nil {
		return err
	}
	if i%8 == 2 { // in the middle of a command
		return m.send(append(m.out, 0, 0, 0, 50, 'R'))
	}
	if a := m.rcpt(q); a.err != nil {
		return a.err
	}
	m.command('Q', nil)
	return m.send(m.out)
}
