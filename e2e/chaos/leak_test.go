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

	"greyglass/e2e/lab"
)

// TestLeak has the program, as it is shipped, serve thousands of sessions, some
// of them cut in the middle and some hostile, and looks whether goroutines,
// threads, file descriptors and memory are what they are after the first of them.
func TestLeak(t *testing.T) {
	p := newPlaces(t)
	s := &settings{name: "leak", windows: windows{1, 3, 9, 86400}, onError: "accept", whenBlock: "defer", foreign: "defer"}
	for file, text := range map[string]string{p.config: s.toml(p, false), p.blocked: "", p.exceptions: ""} {
		if err := lab.ReplaceFile(file, text); err != nil {
			t.Fatal(err)
		}
	}
	const few = 2000
	before := usageAfter(t, p, few)
	began := time.Now()
	after := usageAfter(t, p, *sessions)
	t.Logf("%d sessions in %v; after %d there are %+v, after all %+v", *sessions, time.Since(began).Round(time.Millisecond), few, before, after)
	for _, c := range []struct {
		what        string
		has, before int
		slack       int
	}{
		{"goroutines", after.goroutines, before.goroutines, 2},
		{"file descriptors", after.files, before.files, 2},
		{"file descriptors of the database", after.database, before.database, 8}, // readers are kept, as many as were needed at one time
		{"threads", after.threads, before.threads, 8},                            // the runtime keeps those that it has needed at one time
		{"MB", after.resident, before.resident, 16 + before.resident/2},
	} {
		if c.before == 0 || c.has > c.before+c.slack {
			t.Errorf("%d %s, before it were %d", c.has, c.what, c.before)
		}
	}
}

// usageAfter is what a daemon takes that has served n sessions, and now none.
func usageAfter(t *testing.T, p *places, n int) usage {
	t.Helper()
	d, err := start(p, released, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.kill)
	visit(t, p, n)
	u := d.settled()
	u.goroutines = d.goroutines()
	return u
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

// visit makes n sessions, some at a time.
func visit(t *testing.T, p *places, n int) {
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
				if err := visitOnce(p, i); err != nil {
					t.Errorf("session %d: %v", i, err)
				}
			}
		})
	}
	group.Wait()
}

// visitOnce makes the session with a number: every eighth is hostile, every
// eighth cut. The daemon comes to know a hundred correspondents alone.
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
		s := hostilePeers[r.IntN(len(hostilePeers))]
		_ = w.SetDeadline(time.Now().Add(20 * time.Millisecond)) // then the peer hangs up
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
