package mx

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// answerTime is when an answer must be there: store.timeout, and what a busy machine
// takes.
const answerTime = 20 * time.Second

// session is a mail server's process that asks a daemon by policy.
type session struct {
	conn   net.Conn
	reader *bufio.Reader
}

// envelope is what is asked about.
type envelope struct{ client, sender, recipient string }

var lastID atomic.Int64

// newID is a queue ID that no other question has.
func newID() string { return fmt.Sprintf("Q%d", lastID.Add(1)) }

// answer is what a daemon says.
type answer int

const (
	none   answer = iota // nothing is known
	accept               // let it through
	later                // greylisted
	failed               // the database did
)

// ask asks the daemon at the address. The error means that there is no answer.
func (s *session) ask(address, id string, e envelope) (a answer, err error) {
	if s.conn == nil {
		if s.conn, err = net.DialTimeout("tcp", address, answerTime); err != nil {
			s.conn = nil
			return none, err
		}
		s.reader = bufio.NewReader(s.conn)
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	_ = s.conn.SetDeadline(time.Now().Add(answerTime))
	_, err = fmt.Fprintf(s.conn, "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=%s\n"+
		"helo_name=mx.sender.test\nsender=%s\nrecipient=%s\nqueue_id=%s\ninstance=%s\n\n", e.client, e.sender, e.recipient, id, id)
	if err != nil {
		return none, err
	}
	action, err := s.reader.ReadString('\n')
	if err != nil {
		return none, err
	}
	if _, err := s.reader.ReadString('\n'); err != nil {
		return none, err
	}
	switch {
	case strings.HasPrefix(action, "action=DUNNO"):
		return accept, nil
	case strings.Contains(action, "Greylisted"):
		return later, nil
	case strings.Contains(action, "Temporary error"):
		return failed, nil
	}
	return none, fmt.Errorf("the answer is %q", action)
}

func (s *session) close() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}
