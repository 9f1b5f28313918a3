package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/d--j/go-milter"
)

// load is many mail servers that ask all the time, half of them by the milter
// protocol and half by policy, and keep what went wrong.
type load struct {
	*site
	policy string // TCP address

	stop  context.CancelFunc
	group sync.WaitGroup

	mu       sync.Mutex
	deferred map[string]bool // senders that were told to come again, so they are remembered
	troubles []trouble
}

// trouble is a connection, or an answer, that a mail server did not get.
type trouble struct {
	dialed time.Time
	asked  time.Time // zero if there was no connection
	first  bool      // nothing was answered on the connection
	err    error
}

func (w trouble) String() string {
	return fmt.Sprintf("dialed at %v, asked at %v (first: %t): %v", w.dialed, w.asked, w.first, w.err)
}

func (s *site) load(policy string, servers int) *load {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.t.Context())
	l := &load{site: s, policy: policy, stop: stop, deferred: make(map[string]bool)}
	for n := range servers {
		connect := l.byMilter
		if n%2 == 0 {
			connect = l.byPolicy
		}
		l.group.Go(func() {
			for ctx.Err() == nil && !l.session(ctx, connect) {
			}
		})
	}
	s.t.Cleanup(l.end)
	return l
}

// end ends the load, and waits until all have had their answers.
func (l *load) end() {
	l.stop()
	l.group.Wait()
}

// asker asks about a sender's mail, and returns the reply.
type asker func(sender string) (reply string, err error)

var lastSender atomic.Int64

// session asks about some messages on one connection. It reports whether there
// is nobody to connect to.
func (l *load) session(ctx context.Context, connect func() (asker, func(), error)) (refused bool) {
	const messages = 40
	w := trouble{dialed: time.Now(), first: true}
	ask, hangUp, err := connect()
	if err != nil {
		if op := new(net.OpError); !errors.As(err, &op) || op.Op != "dial" {
			w.asked = w.dialed
		}
		l.note(w, err)
		return w.asked.IsZero()
	}
	defer hangUp()
	for range messages {
		sender := fmt.Sprintf("s%d@example.net", lastSender.Add(1))
		w.asked = time.Now()
		reply, err := ask(sender)
		if err == nil && !strings.HasPrefix(reply, "451 4.7.1 Greylisted") {
			err = fmt.Errorf("answered %q", reply)
		}
		if err != nil {
			l.note(w, err)
			return false
		}
		w.first = false
		l.mu.Lock()
		l.deferred[sender] = true
		l.mu.Unlock()
		if ctx.Err() != nil {
			return false
		}
		time.Sleep(2 * time.Millisecond)
	}
	return false
}

func (l *load) note(w trouble, err error) {
	w.err = err
	l.mu.Lock()
	defer l.mu.Unlock()
	l.troubles = append(l.troubles, w)
}

func (l *load) byMilter() (asker, func(), error) {
	session, err := l.tryMTA()
	if err != nil {
		return nil, nil, err
	}
	return func(sender string) (string, error) {
		_, err := session.Conn("mx.example.net", milter.FamilyInet, 25, "203.0.113.7")
		if err == nil {
			_, err = session.Helo("mx.example.net")
		}
		if err == nil {
			_, err = session.Mail(sender, "")
		}
		if err != nil {
			return "", err
		}
		action, err := session.Rcpt("bob@example.org", "")
		if err != nil {
			return "", err
		}
		return action.SMTPReply, session.Reset(milter.NewMacroBag())
	}, func() { _ = session.Close() }, nil
}

func (l *load) byPolicy() (asker, func(), error) {
	conn, err := net.Dial("tcp", l.policy)
	if err != nil {
		return nil, nil, err
	}
	in := bufio.NewReader(conn)
	return func(sender string) (string, error) {
		_ = conn.SetDeadline(time.Now().Add(testTimeout))
		_, err := fmt.Fprintf(conn, "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=203.0.113.7\nhelo_name=mx.example.net\nsender=%s\nrecipient=bob@example.org\n\n", sender)
		if err != nil {
			return "", err
		}
		line, err := in.ReadString('\n')
		if err == nil {
			_, err = in.ReadString('\n')
		}
		return strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "action="), err
	}, func() { _ = conn.Close() }, nil
}

// isRemembered fails the test unless every sender that was told to come again is
// in the database, and there were enough of them to show something.
func (l *load) isRemembered(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	missing := len(l.deferred)
	for _, r := range l.records() {
		if l.deferred[r.Sender] {
			missing--
		}
	}
	if missing > 0 {
		t.Errorf("of %d answers, %d are lost", len(l.deferred), missing)
	}
	if len(l.deferred) < 100 {
		t.Errorf("only %d were answered: that tests little", len(l.deferred))
	}
	t.Logf("%d answers, %d connections cut", len(l.deferred), len(l.troubles))
}

func (l *load) answered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.deferred)
}
