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

	smtpSession         // NewConnection clears it
	message     message // MailFrom clears it
	aborted     bool    // the library called Abort; if a RCPT follows, the message goes on
}

// smtpSession is the state of the current SMTP session.
type smtpSession struct {
	client      greylist.Client
	clientName  string // forward-confirmed, or empty
	helo        string
	postfix     bool // the MTA is Postfix, see verifiedTLS
	probe       bool // it is 'greyglass probe' or 'doctor'
	certificate bool // verified, as HELO had it
}

// message is the state of the current message.
type message struct {
	sender        string
	authenticated bool
	certificate   bool
	facts         *judge.Message // shared by its recipients
	deferred      deferred.Message
	headerFields  int // named as ours, with which the message came
}

// noAddress is the client of a session whose MTA sends no connect command.
var noAddress = greylist.ParseClient("no address, the MTA sent none")

// NewConnection begins an SMTP session: the first of the connection, or another
// one on it (SMFIC_QUIT_NC).
func (s *session) NewConnection(milter.Modifier) error {
	s.smtpSession = smtpSession{client: noAddress}
	s.begin(message{})
	return nil
}

// Connect stores the client's address and name.
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
	mta := m.Get(milter.MacroMTAVersion)
	s.postfix = strings.HasPrefix(mta, "Postfix")
	s.probe = mta == probeVersion
	s.clientName = s.confirmed(host, m)
	return milter.RespContinue, nil
}

// confirmed returns the client's name if the MTA has found that it leads back to the
// client's address. Of any other client Postfix gives the address in brackets (its
// milter8_conn_event; old ones say "unknown"), Sendmail too (libmilter's xxfi_connect),
// which says by {client_resolve} what the name is worth (op.me, section 5.1.1.2).
func (s *session) confirmed(host string, m milter.Modifier) string {
	known := m.Get(macroClientResolve) == "OK"
	if s.postfix {
		known = host != "unknown" && !strings.HasPrefix(host, "[")
	}
	if !known {
		return ""
	}
	return host
}

// Helo stores the name. It is called again after STARTTLS.
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

// RcptTo judges a recipient. It never answers "accept", after which Postfix would send
// no further recipient of the message.
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
	if s.probe {
		attempt.Via = greylist.ViaProbe
	}
	return s.replies.respond(s.message.deferred.Recipient(s.ctx, s.judge, s.message.facts, attempt, s.room, s.limiter.Limits().Recipients, s.log))
}

// Data judges the recipients that were deferred to it.
func (s *session) Data(m milter.Modifier) (resp *milter.Response, err error) {
	defer s.rescue(&err)
	return s.judgeDeferred(m)
}

// Header counts X-Greylist fields that the message has already. They are sent
// only if they were negotiated.
func (s *session) Header(name, _ string, _ milter.Modifier) (*milter.Response, error) {
	if strings.EqualFold(name, judge.HeaderField) {
		s.message.headerFields++
	}
	return milter.RespContinue, nil
}

// EndOfMessage judges the deferred recipients for an MTA whose protocol has no DATA step,
// and adds the header field to an accepted message.
func (s *session) EndOfMessage(m milter.Modifier) (resp *milter.Response, err error) {
	defer s.rescue(&err)
	resp, err = s.judgeDeferred(m)
	if err != nil || resp != milter.RespContinue || m.Actions()&headerActions != headerActions {
		return resp, err
	}
	return resp, s.changeHeader(m)
}

// changeHeader removes forged fields, the last one first, since to some MTAs those that
// are removed count no more; then it adds ours above all others.
func (s *session) changeHeader(m milter.Modifier) error {
	for n := s.message.headerFields; n > 0; n-- {
		if err := m.ChangeHeader(n, judge.HeaderField, ""); err != nil {
			return err
		}
	}
	if text := s.message.deferred.Header(s.judge); text != "" {
		return m.InsertHeader(0, judge.HeaderField, text)
	}
	return nil
}

func (s *session) judgeDeferred(m milter.Modifier) (*milter.Response, error) {
	if s.aborted {
		s.begin(message{})
	}
	answer := s.message.deferred.Data(s.ctx, s.judge, m.Get(milter.MacroQueueId), s.room)
	if answer.Refuses() {
		return s.replies.respond(answer)
	}
	return milter.RespContinue, nil
}

// begin replaces the current message.
func (s *session) begin(m message) {
	s.message.deferred.Release(s.room)
	s.message, s.aborted = m, false
}

// Cleanup ends the session.
func (s *session) Cleanup(milter.Modifier) { s.begin(message{}) }

// Abort ends a message, not the session. The library also calls it when a RCPT follows
// a DATA that was refused.
func (s *session) Abort(milter.Modifier) error {
	s.aborted = true
	return nil
}

// verifiedTLS reports whether the MTA has verified the client's certificate, by the
// macros of HELO or MAIL. Sendmail sends {verify}=OK then, and the subject of any
// certificate (op.me, section 5.1.1.3); Postfix sends no {verify}, and the subject only
// of a verified certificate (MILTER_README).
func (s *session) verifiedTLS(m milter.Modifier) bool {
	if verify, ok := m.GetEx(macroVerify); ok {
		return verify == "OK"
	}
	return s.postfix && m.Get(milter.MacroCertSubject) != ""
}

// rescue turns a panic of a callback into an error, which ends the session.
func (s *session) rescue(err *error) {
	if r := recover(); r != nil {
		s.limiter.Panicked()
		s.log.Error(eventPanic, "panic", r, "stack", string(debug.Stack()))
		*err = fmt.Errorf("panic: %v", r)
	}
}
