package mtatest_test

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"

	"greyglass/milter"
	"greyglass/milter/mtatest"
	"greyglass/milter/policyd"
)

// accepted is the answer that is no refusal.
const accepted = ""

// attempt is a message of an SMTP client, as two MTAs tell of it, one by each front end.
type attempt struct {
	client            string // address, or "local" for none
	helo              string
	sender, recipient string // as the SMTP client wrote them, and so by milter

	// By policy where that differs: Postfix takes local parts out of their quotes.
	policySender, policyRecipient string

	user        string // who authenticated
	certificate string // subject of a verified one
	queueID     string // at RCPT already
}

// completed fills in what is empty; "-" means that it is.
func (a attempt) completed() attempt {
	for _, field := range []struct {
		value *string
		usual string
	}{
		{&a.client, "192.0.2.7"}, {&a.helo, "client.example.net"}, {&a.sender, "stranger@example.net"}, {&a.recipient, "me@example.org"},
	} {
		switch *field.value {
		case "":
			*field.value = field.usual
		case "-":
			*field.value = ""
		}
	}
	if a.policySender == "" {
		a.policySender = a.sender
	}
	if a.policyRecipient == "" {
		a.policyRecipient = a.recipient
	}
	return a
}

// session is the MTA's end of a connection. It answers in SMTP replies.
type session interface {
	// mail begins a message; what else was under way has ended.
	mail(attempt)
	// rcpt offers a recipient, by milter and by policy. From the second on there is
	// a queue ID, Q1 in the first message.
	rcpt(recipient, byPolicy string) string
	// data is the first step behind RCPT that this MTA has.
	data() string
	// end are the steps behind that.
	end() string
	quit()
}

// frontEnd is a way by which an MTA asks.
type frontEnd struct {
	name, via string
	server    func(*mtatest.Fixture) mtatest.Server
	session   func(testing.TB, *mtatest.Fixture) session
	wire      func(testing.TB, net.Conn) *wire
	hasData   bool // a DATA step, behind which a client may go on with its message
}

var (
	byMilter = milterOf(6)
	byPolicy = policyOf("DATA", "END-OF-MESSAGE")
	byBoth   = []frontEnd{byMilter, byPolicy}
	byAll    = []frontEnd{
		milterOf(2), milterOf(3), milterOf(4), milterOf(5), byMilter,
		byPolicy, policyOf("DATA"), policyOf("END-OF-MESSAGE"),
	}
)

// milterOf is the milter, asked by an MTA of a protocol version.
func milterOf(version uint32) frontEnd {
	return frontEnd{fmt.Sprintf("milter %d", version), "milter",
		func(f *mtatest.Fixture) mtatest.Server { return milter.NewServer(f.Judge, f.Limiter, slog.New(f.Log)) },
		func(t testing.TB, f *mtatest.Fixture) session {
			return &milterSession{MTA: f.OldMTA(t, version), hasData: version >= 4}
		},
		milterWire,
		version >= 4,
	}
}

// policyOf is the policy server, asked at RCPT and in these states.
func policyOf(states ...string) frontEnd {
	return frontEnd{"policy " + strings.Join(states, " "), "policy",
		func(f *mtatest.Fixture) mtatest.Server { return policyd.New(f.Judge, f.Limiter, slog.New(f.Log)) },
		func(t testing.TB, f *mtatest.Fixture) session {
			return &policySession{PolicyClient: f.Policy(t), states: states}
		},
		policyWire,
		true,
	}
}

// on serves this front end on a unix socket.
func (e frontEnd) on(t testing.TB, changes ...func(*mtatest.Setup)) *mtatest.Fixture {
	t.Helper()
	return e.build(t, changes...).OnSocket(t)
}

func (e frontEnd) build(t testing.TB, changes ...func(*mtatest.Setup)) *mtatest.Fixture {
	t.Helper()
	return mtatest.New(t, e.via, e.server, changes...)
}

type milterSession struct {
	*mtatest.MTA
	hasData              bool
	messages, recipients int
	attempt              attempt
}

func (s *milterSession) mail(a attempt) {
	if s.messages++; s.messages > 1 {
		s.Abort()
	} else {
		family := byte('4')
		if strings.Contains(a.client, ":") {
			family = '6'
		}
		s.Define('C', "v", "Postfix 3.7.11")
		if a.client == "local" {
			s.Connect('L', "")
		} else {
			s.Connect(family, a.client)
		}
		s.Define('H', "{cert_subject}", a.certificate)
		s.Helo(a.helo)
	}
	s.Define('M', "{auth_authen}", a.user)
	s.Mail(a.sender)
	s.attempt, s.recipients = a, 0
}

func (s *milterSession) rcpt(recipient, _ string) string {
	switch s.recipients++; {
	case s.attempt.queueID != "":
		s.Define('R', "i", s.attempt.queueID)
	case s.recipients > 1:
		s.Define('R', "i", fmt.Sprint("Q", s.messages))
	}
	return reply(s.Rcpt(recipient), mtatest.Continue)
}

func (s *milterSession) data() string {
	var macros []string
	if s.attempt.queueID == "" {
		macros = []string{"i", fmt.Sprint("Q", s.messages)}
	}
	if !s.hasData {
		s.AtEnd = macros
		return reply(s.Body(), mtatest.Accept)
	}
	if macros != nil {
		s.Define('T', macros...)
	}
	return reply(s.Data(), mtatest.Continue)
}

func (s *milterSession) end() string {
	if s.hasData {
		return reply(s.Body(), mtatest.Accept)
	}
	return accepted
}

func (s *milterSession) quit() { s.Quit() }

// reply returns the SMTP reply of an answer. The MTA takes "%%" for a "%".
func reply(answer, accept string) string {
	if answer == accept {
		return accepted
	}
	return strings.ReplaceAll(answer, "%%", "%")
}

type policySession struct {
	*mtatest.PolicyClient
	states     []string
	messages   int
	recipients []string
	attempt    attempt
	instance   string
}

func (s *policySession) mail(a attempt) {
	s.messages++
	s.attempt, s.recipients, s.instance = a, nil, rand.Text()
}

func (s *policySession) ask(state, recipient, queueID string) string {
	a := s.attempt
	client := a.client
	if client == "local" {
		client = ""
	}
	if a.queueID != "" {
		queueID = a.queueID
	}
	return reply(s.Ask("protocol_state="+state, "client_address="+client, "helo_name="+a.helo,
		"sender="+a.policySender, "recipient="+recipient, "instance="+s.instance,
		"sasl_username="+a.user, "ccert_subject="+a.certificate, "queue_id="+queueID), mtatest.Dunno)
}

func (s *policySession) rcpt(_, recipient string) string {
	s.recipients = append(s.recipients, recipient)
	queueID := ""
	if len(s.recipients) > 1 {
		queueID = fmt.Sprint("Q", s.messages)
	}
	return s.ask("RCPT", recipient, queueID)
}

func (s *policySession) data() string { return s.later(s.states[0]) }

func (s *policySession) end() string {
	for _, state := range s.states[1:] {
		if answer := s.later(state); answer != accepted {
			return answer
		}
	}
	return accepted
}

// later asks in a state behind RCPT, where Postfix names a recipient only if there is
// no other.
func (s *policySession) later(state string) string {
	recipient := ""
	if len(s.recipients) == 1 {
		recipient = s.recipients[0]
	}
	return s.ask(state, recipient, fmt.Sprint("Q", s.messages))
}

func (s *policySession) quit() { _ = s.Conn.Close() }
