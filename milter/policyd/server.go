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
	messages *messages

	ctx    context.Context // of what requests wait for
	cancel context.CancelFunc

	set listen.Set // which wait for each connection, too
}

// New makes a server that asks the judge and lets connections in as the limiter does.
func New(judge *judge.Judge, limiter *listen.Limiter, log *slog.Logger) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	return &Server{judge: judge, limiter: limiter, log: log, messages: newMessages(time.Now, log),
		ctx: ctx, cancel: cancel}
}

// Serve accepts connections until the server is shut down; it then returns nil.
// It may be called for several listeners at the same time, and closes them.
func (s *Server) Serve(l net.Listener) error {
	listener := s.limiter.Listener(l, "policy")
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
			s.limiter.Panicked("policy")
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

func (s *Server) recipient(r *request) judge.Answer {
	attempt := r.attempt()
	answer, pending := s.judge.Recipient(s.ctx, nil, attempt)
	if pending == nil || r.instance == "" {
		return answer
	}
	limit := s.limiter.Limits().Recipients
	kept, first := s.messages.keep(r.instance, pending, limit)
	if first {
		deferred.WarnTooMany(s.log, limit, attempt, s.judge.Policy())
	}
	if !kept {
		return deferred.TooManyRecipients(s.judge.Policy())
	}
	return answer
}

// message judges, at the first of DATA and END-OF-MESSAGE, the recipients that
// RCPT has deferred to it. A client that is refused there may ask again without a new
// message (Postfix keeps the one it has), and gets the same answer.
// Without an instance nobody knows the recipients but the request itself, which
// names the recipient if there is only one.
func (s *Server) message(r *request) (answer judge.Answer) {
	var waiting []*judge.Pending
	if r.instance != "" {
		var before refusal
		waiting, before = s.messages.take(r.instance)
		if before.client == r.clientAddress && before.sender == r.sender {
			answer = before.answer
		}
	} else if r.recipient != "" {
		if pending := s.judge.Recall(s.ctx, nil, r.attempt()); pending != nil {
			waiting = append(waiting, pending)
		}
	}
	if len(waiting) > 0 {
		answer = deferred.Worse(answer, s.judge.Data(s.ctx, r.queueID, waiting))
	}
	if r.instance != "" && deferred.Refuses(answer) {
		s.messages.refused(r.instance, refusal{r.clientAddress, r.sender, answer})
	}
	return answer
}
