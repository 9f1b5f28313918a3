package milter

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/d--j/go-milter"

	"greyglass/greylist"
	"greyglass/greylist/judge"
	"greyglass/milter/deferred"
	"greyglass/milter/listen"
)

// session is one milter connection: usually one SMTP session, with any number
// of messages. The library calls its methods one after the other.
type session struct {
	milter.NoOpMilter
	ctx     context.Context
	judge   *judge.Judge
	log     *slog.Logger
	replies *replies
	limiter *listen.Limiter // for its limits
	room    *deferred.Room

	// Of the SMTP session; NewConnection clears it.
	client      greylist.Client
	clientName  string // empty if the MTA has found none
	helo        string
	postfix     bool // the MTA is Postfix, see verifiedTLS
	certificate bool // verified, as HELO had it

	// Of the message; MailFrom clears it.
	message message
	aborted bool // by the MTA; or, if a RCPT follows, by a guess of the library's, and the message goes on
}

// message is what a session knows of the message that is being offered.
type message struct {
	sender        string
	authenticated bool
	certificate   bool
	facts         *judge.Message // shared by its recipients
	deferred      deferred.Message
}

// NewConnection begins an SMTP session: the first of the connection, or another
// one on it (SMFIC_QUIT_NC).
func (s *session) NewConnection(milter.Modifier) error {
	s.client = greylist.ParseClient("no address, the MTA sent none")
	s.clientName, s.helo, s.postfix, s.certificate = "", "", false, false
	s.begin(message{})
	return nil
}

// Connect notes who is at the other end of the MTA.
func (s *session) Connect(host, family string, _ uint16, addr string, m milter.Modifier) (resp *milter.Response, err error) {
	defer s.rescue(&err)
	switch family {
	case "tcp4", "tcp6":
		s.client = greylist.ParseClient(addr)
	case "unix":
		if text, ok := strings.CutPrefix(addr, badAddress); ok {
			s.client = greylist.ParseClient(text)
		} else {
			s.client = greylist.LocalClient("unix:" + addr)
		}
	default: // SMFIA_UNKNOWN: the MTA's client came by no network, as with sendmail -bs
		s.client = greylist.LocalClient("unknown")
	}
	s.postfix = strings.HasPrefix(m.Get(milter.MacroMTAVersion), "Postfix")
	s.clientName = s.confirmed(host, m)
	return milter.RespContinue, nil
}

// confirmed returns the client's name if the MTA has found that it leads back to the
// client's address. Postfix says "unknown" of any other (its MILTER_README); Sendmail
// gives the name of the reverse look-up in any case, and says by {client_resolve}
// what it is worth (op.me, section 5.1.1.2).
func (s *session) confirmed(host string, m milter.Modifier) string {
	if s.postfix && host != "unknown" || !s.postfix && m.Get(macroClientResolve) == "OK" {
		return host
	}
	return ""
}

// Helo notes the name; it comes again after STARTTLS.
func (s *session) Helo(name string, m milter.Modifier) (resp *milter.Response, err error) {
	defer s.rescue(&err)
	s.helo = name
	s.certificate = s.verifiedTLS(m)
	return milter.RespContinue, nil
}

// MailFrom begins a message.
func (s *session) MailFrom(from, _ string, m milter.Modifier) (resp *milter.Response, err error) {
	defer s.rescue(&err)
	s.begin(message{
		sender:        from,
		facts:         new(judge.Message),
		authenticated: m.Get(milter.MacroAuthAuthen) != "",
		certificate:   s.certificate || s.verifiedTLS(m),
	})
	return milter.RespContinue, nil
}

// RcptTo judges a recipient. It never answers "accept", after which Postfix
// would ask about no further recipient of the message.
func (s *session) RcptTo(to, _ string, m milter.Modifier) (resp *milter.Response, err error) {
	defer s.rescue(&err)
	s.aborted = false
	attempt := greylist.Attempt{
		Client:        s.client,
		ClientName:    s.clientName,
		Helo:          s.helo,
		Sender:        s.message.sender,
		Recipient:     to,
		Authenticated: s.message.authenticated,
		VerifiedTLS:   s.message.certificate,
		QueueID:       m.Get(milter.MacroQueueId),
		Via:           "milter",
	}
	return s.replies.respond(s.message.deferred.Recipient(s.ctx, s.judge, s.message.facts, attempt, s.room, s.limiter.Limits().Recipients, s.log))
}

// Data judges the recipients that were deferred to it.
func (s *session) Data(m milter.Modifier) (resp *milter.Response, err error) {
	defer s.rescue(&err)
	return s.judgeDeferred(m)
}

// EndOfMessage judges them for an MTA whose protocol has no DATA step.
func (s *session) EndOfMessage(m milter.Modifier) (resp *milter.Response, err error) {
	defer s.rescue(&err)
	return s.judgeDeferred(m)
}

func (s *session) judgeDeferred(m milter.Modifier) (*milter.Response, error) {
	if s.aborted {
		s.begin(message{})
	}
	answer := s.message.deferred.Data(s.ctx, s.judge, m.Get(milter.MacroQueueId), s.room)
	if deferred.Refuses(answer) {
		return s.replies.respond(answer)
	}
	return milter.RespContinue, nil
}

// begin forgets the message before, and begins another.
func (s *session) begin(m message) {
	s.message.deferred.Release(s.room)
	s.message, s.aborted = m, false
}

// Cleanup ends the session.
func (s *session) Cleanup(milter.Modifier) { s.begin(message{}) }

// Abort ends a message, not the session. The library calls it also where a RCPT
// follows DATA, which another filter or the MTA itself has refused, or we have.
func (s *session) Abort(milter.Modifier) error {
	s.aborted = true
	return nil
}

// verifiedTLS reports whether the macros of HELO or MAIL say that the client
// showed a certificate which the MTA verified. Sendmail says so by {verify}=OK
// alone, and sends the subject of any certificate; Postfix sends the subject of
// a verified one only, and no {verify} (Sendmail's op.me, section 5.1.1.3;
// Postfix's MILTER_README).
func (s *session) verifiedTLS(m milter.Modifier) bool {
	if verify, ok := m.GetEx(macroVerify); ok {
		return verify == "OK"
	}
	return s.postfix && m.Get(milter.MacroCertSubject) != ""
}

// rescue turns a panic of a callback into the end of its session alone.
func (s *session) rescue(err *error) {
	if r := recover(); r != nil {
		s.limiter.Panicked()
		s.log.Error("panic in a milter session; this is a bug, please report it", "panic", r, "stack", string(debug.Stack()))
		*err = fmt.Errorf("milter: panic: %v", r)
	}
}
