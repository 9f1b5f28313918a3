package policyd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"greyglass/greylist/judge"
	"greyglass/milter/deferred"
	"greyglass/milter/listen"
)

// Server serves Postfix's policy delegation protocol, by which Exim asks
// too. It answers as the milter does, from the same judge.
type Server struct {
	judge    *judge.Judge
	limiter  *listen.Limiter
	log      *slog.Logger
	messages *messages // of senders whose recipients may be deferred to DATA
	ordinary *messages // of others, where their recipients share anything

	ctx    context.Context // of what requests wait for
	cancel context.CancelFunc

	set listen.Set // which wait for each connection, too
}

// New makes a server that asks the judge and lets connections in as the limiter does.
func New(judge *judge.Judge, limiter *listen.Limiter, log *slog.Logger) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	return &Server{judge: judge, limiter: limiter, log: log, ctx: ctx, cancel: cancel,
		messages: newMessages(time.Now, log), ordinary: newMessages(time.Now, log)}
}

// Serve accepts connections until the server is shut down; it then returns nil.
// It may be called for several listeners at the same time, and closes them.
func (s *Server) Serve(l net.Listener) error {
	listener := s.limiter.Listener(l)
	defer listener.Close()
	if !s.set.Add(listener) {
		return nil
	}
	defer s.set.Serving.Done()
	for {
		c, err := listener.AcceptConn()
		if err != nil {
			if s.set.Closed() {
				return nil
			}
			return err
		}
		s.set.Serving.Go(func() { s.converse(c) })
	}
}

// Shutdown closes the listeners, answers every request that was received, gives clients
// until grace to send more, and returns when all connections have ended. When the
// context ends it closes those that remain, and returns its error.
func (s *Server) Shutdown(ctx context.Context, grace time.Duration) error {
	defer s.cancel()
	s.set.Close()
	s.limiter.Drain(time.Now().Add(grace))
	ended := make(chan struct{})
	go func() { s.set.Serving.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		s.limiter.CloseAll()
		return fmt.Errorf("policy: shutdown: %w", ctx.Err())
	}
}

// converse answers the requests of a connection: one, as Exim makes, or many, as
// Postfix does. It ends when the peer has shut down its side. Whoever says what
// is no request, or meets a bug of ours, gets an answer all the same: Postfix
// would take the connection's end alone for a reason to defer.
func (s *Server) converse(c *listen.Conn) {
	defer c.Close()
	defer func() {
		if p := recover(); p != nil {
			s.limiter.Panicked()
			s.log.Error("panic in a policy session; this is a bug, please report it", "panic", p, "stack", string(debug.Stack()))
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
		if err := c.Send(replyOf(s.action(&r))); err != nil {
			return
		}
	}
}

// dunno is the action that lets the mail server's other restrictions decide
// (Postfix's access(5)).
const dunno = "DUNNO"

func replyOf(action string) []byte { return []byte("action=" + action + "\n\n") }

// action is the answer to a request: a reply of ours for the client, or dunno.
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
	if deferred.Refuses(answer) {
		return answer.Reply.String()
	}
	return dunno
}

// recipient answers at RCPT.
func (s *Server) recipient(r *request) judge.Answer {
	kept := s.keptIn(r)
	if kept == nil {
		answer, _ := s.judge.Recipient(s.ctx, nil, r.attempt())
		return answer
	}
	m := kept.findOrAdd(r)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.waits.Recipient(s.ctx, s.judge, &m.facts, r.attempt(), &kept.room, s.limiter.Limits().Recipients, s.log)
}

// keptIn returns where the message of a request is kept; nil if it is not. Messages
// of which nothing waits for DATA have a room of their own, so that they push out none
// of the others.
func (s *Server) keptIn(r *request) *messages {
	p := s.judge.Policy()
	switch {
	case r.instance == "":
		return nil
	case p.MayWait(r.sender):
		return s.messages
	case p.Rules.AsksDNS():
		return s.ordinary
	}
	return nil
}

var errUnknownMessage = errors.New("policy: the message is not known, and the request at DATA names no recipient")

// message answers, at the first of DATA and END-OF-MESSAGE, for the recipients that
// RCPT has deferred to it. A message that is not known, because it has no instance,
// the daemon has been restarted or had no room, is judged by the recipient that the
// request names; Postfix names none if there are several, which is answered by on_error.
func (s *Server) message(r *request) judge.Answer {
	if !s.judge.Policy().MayWait(r.sender) {
		return judge.Answer{} // all were judged at RCPT
	}
	if r.instance != "" {
		if m := s.messages.find(r); m != nil {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.waits.Data(s.ctx, s.judge, r.queueID, &s.messages.room)
		}
	}
	attempt := r.attempt()
	if r.recipient == "" {
		return s.judge.Fail(s.ctx, attempt, errUnknownMessage)
	}
	pending := s.judge.Recall(s.ctx, nil, attempt)
	if pending == nil {
		return judge.Answer{} // a rule has answered at RCPT
	}
	answer := s.judge.Data(s.ctx, r.queueID, []*judge.Pending{pending})
	if r.instance != "" {
		m := s.messages.findOrAdd(r)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.waits.Answered(answer)
	}
	return answer
}
