package policyd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"greyglass/greylist/judge"
	"greyglass/milter/listen"
)

// Server serves Postfix's policy delegation protocol. It answers as the milter does,
// by the same judge.
type Server struct {
	judge    *judge.Judge
	limiter  *listen.Limiter
	log      *slog.Logger
	messages *messages // of senders whose recipients may be deferred to DATA
	ordinary *messages // of others, where their recipients share anything

	// Status, if not nil, returns the daemon's status in one line, for 'greyglass status'. It
	// must be set before the server serves.
	Status func() []byte

	ctx    context.Context // ends with the server
	cancel context.CancelFunc
}

// New makes a server.
func New(judge *judge.Judge, limiter *listen.Limiter, log *slog.Logger) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	return &Server{judge: judge, limiter: limiter, log: log, ctx: ctx, cancel: cancel,
		messages: newMessages(time.Now, log), ordinary: newMessages(time.Now, log)}
}

// Serve accepts connections until the server is shut down, and then returns nil. It may
// be called for several listeners at the same time, and closes them.
func (s *Server) Serve(l net.Listener) error {
	return s.limiter.Serve(l, func(l *listen.Listener) error {
		for {
			c, err := l.AcceptConn()
			if err != nil {
				return err
			}
			go s.converse(c)
		}
	})
}

// Shutdown ends the server as [listen.Limiter.Shutdown] says.
func (s *Server) Shutdown(ctx context.Context, grace time.Duration) error {
	defer s.cancel()
	return s.limiter.Shutdown(ctx, grace)
}

// converse answers the requests of a connection until the peer shuts down its side. A
// malformed request and a panic get an answer, too: Postfix defers mail if the
// connection ends without one.
func (s *Server) converse(c *listen.Conn) {
	defer c.Close()
	defer func() {
		if p := recover(); p != nil {
			s.limiter.Panicked()
			s.log.Error(eventPanic, "panic", p, "stack", string(debug.Stack()))
			_ = c.Send(replyOf(dunno))
		}
	}()
	for {
		var r request
		text, err := nextRequest(c)
		if err == nil {
			r, err = parseRequest(text, s.limiter.Limits())
		}
		if errors.Is(err, errRequest) {
			_ = c.ProtocolError(err)
			_ = c.Send(replyOf(dunno))
		}
		if err != nil {
			return
		}
		answer := s.status(c, &r)
		if answer == nil {
			answer = replyOf(s.action(&r))
		}
		if err := c.Send(answer); err != nil {
			return
		}
	}
}

// dunno is the action that lets the mail server's other restrictions decide
// (Postfix's access(5)).
const dunno = "DUNNO"

func replyOf(action string) []byte { return []byte("action=" + action + "\n\n") }

// action returns the answer to a request: an SMTP reply, or dunno.
func (s *Server) action(r *request) string {
	if r.kind != "smtpd_access_policy" {
		return dunno
	}
	var answer judge.Answer
	switch r.state {
	case "RCPT":
		answer = s.recipient(r)
	case "DATA", "END-OF-MESSAGE":
		answer = s.message(r)
	}
	if answer.Refuses() {
		return answer.Reply.String()
	}
	if header := s.header(r); header != "" {
		return "PREPEND " + judge.HeaderField + ": " + header
	}
	return dunno
}

// header returns the text of the message's header field. It is given at the first
// request about the whole message: one recipient does not know of the others.
func (s *Server) header(r *request) string {
	kept := s.keptIn(r)
	if r.state == "RCPT" || kept == nil {
		return ""
	}
	m := kept.lock(r, false)
	if m == nil {
		return ""
	}
	defer m.mu.Unlock()
	return m.deferred.Header(s.judge)
}

// recipient answers at RCPT.
func (s *Server) recipient(r *request) judge.Answer {
	kept := s.keptIn(r)
	if kept == nil {
		answer, _ := s.judge.Recipient(s.ctx, nil, r.attempt())
		return answer
	}
	m := kept.lock(r, true)
	defer m.mu.Unlock()
	m.known = true
	return m.deferred.Recipient(s.ctx, s.judge, &m.facts, r.attempt(), &kept.room, s.limiter.Limits().Recipients, s.log)
}

// keptIn returns where the message of a request is kept; nil if it is not. Messages
// of which nothing waits for DATA have a room of their own, so that they push out none
// of the others.
func (s *Server) keptIn(r *request) *messages {
	p := s.judge.Policy()
	switch {
	case r.instance == "":
		return nil
	case p.MayBePending(r.sender):
		return s.messages
	case p.AsksDNS() || p.Header:
		return s.ordinary
	}
	return nil
}

// message answers at the first of DATA and END-OF-MESSAGE for the recipients deferred
// to it. A message that is unknown, because it has no instance, the daemon was restarted
// or memory was short, is judged by the recipient in the request. Postfix sends none if
// there are several; the answer is then on_error's.
func (s *Server) message(r *request) judge.Answer {
	if r.instance == "" {
		return s.judge.Forgotten(s.ctx, r.attempt())
	}
	m := s.messages.lock(r, s.judge.Policy().MayBePending(r.sender))
	if m == nil {
		return judge.Answer{} // all were judged at RCPT
	}
	defer m.mu.Unlock()
	if !m.known {
		m.known = true
		m.deferred.Answered(s.judge.Forgotten(s.ctx, r.attempt()))
	}
	return m.deferred.Data(s.ctx, s.judge, r.queueID, &s.messages.room)
}
