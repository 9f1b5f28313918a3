package milter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/judge"
)

// PolicyServer serves Postfix's policy delegation protocol, by which Exim asks
// too. It answers as the milter does, from the same judge.
type PolicyServer struct {
	judge    *judge.Judge
	gate     *Gate
	log      *slog.Logger
	messages *messages

	ctx    context.Context // of what requests wait for
	cancel context.CancelFunc

	doors doors // which wait for each connection, too
}

// NewPolicyServer makes a server that asks the judge and lets in whom the gate does.
func NewPolicyServer(judge *judge.Judge, gate *Gate, log *slog.Logger) *PolicyServer {
	ctx, cancel := context.WithCancel(context.Background())
	return &PolicyServer{judge: judge, gate: gate, log: log, messages: newMessages(time.Now, log),
		ctx: ctx, cancel: cancel}
}

// Serve accepts connections until the server is shut down; it then returns nil.
// It may be called for several listeners at the same time, and closes them.
func (s *PolicyServer) Serve(l net.Listener) error {
	guarded := s.gate.guard(l, "policy")
	defer guarded.Close()
	if !s.doors.open(guarded) {
		return nil
	}
	defer s.doors.serving.Done()
	for {
		c, err := guarded.accept()
		if err != nil {
			if s.doors.closed() {
				return nil
			}
			return err
		}
		s.doors.serving.Go(func() { s.converse(c) })
	}
}

// Shutdown does for policy clients what [Server.Shutdown] does for milter
// clients.
func (s *PolicyServer) Shutdown(ctx context.Context, grace time.Duration) error {
	defer s.cancel()
	s.doors.close()
	s.gate.finishBy(time.Now().Add(grace))
	ended := make(chan struct{})
	go func() { s.doors.serving.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		s.gate.closeAll()
		return fmt.Errorf("policy: shutdown: %w", ctx.Err())
	}
}

// converse answers the requests of a connection: one, as Exim makes, or many, as
// Postfix does. It ends when the peer has shut down its side. Whoever says what
// is no request, or meets a bug of ours, gets an answer all the same: Postfix
// would take the connection's end alone for a reason to defer.
func (s *PolicyServer) converse(c *conn) {
	defer c.Close()
	defer func() {
		if p := recover(); p != nil {
			s.gate.panicked("policy")
			s.log.Error("panic in a policy session; this is a bug, please report it", "panic", p, "stack", string(debug.Stack()))
			_ = c.send(policyReply(dunno))
		}
	}()
	for {
		var request policyRequest
		text, err := c.nextRequest()
		if err == nil {
			request, err = parsePolicyRequest(text, s.gate.Limits())
		}
		if errors.Is(err, errRequest) {
			_ = c.refuse(err)
			_ = c.send(policyReply(dunno))
		}
		if err != nil {
			return
		}
		if err := c.send(policyReply(s.action(&request))); err != nil {
			return
		}
	}
}

// dunno is the action that lets the mail server's other restrictions decide
// (Postfix's access(5)).
const dunno = "DUNNO"

func policyReply(action string) []byte { return []byte("action=" + action + "\n\n") }

// action is the answer to a request: a reply of ours for the client, or dunno.
func (s *PolicyServer) action(r *policyRequest) string {
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
	if refuses(answer) {
		return answer.Reply.String()
	}
	return dunno
}

func (s *PolicyServer) recipient(r *policyRequest) judge.Answer {
	attempt := r.attempt()
	answer, judged := s.judge.Recipient(s.ctx, attempt)
	if judged || r.instance == "" {
		return answer
	}
	limit := s.gate.Limits().Recipients
	kept, first := s.messages.keep(r.instance, attempt, limit)
	if first {
		warnTooMany(s.log, limit, attempt, s.judge.Policy())
	}
	if !kept {
		return tooManyRecipients
	}
	return answer
}

// message judges, at the first of DATA and END-OF-MESSAGE, the recipients that
// RCPT left to it. A client that is refused there may ask again without a new
// message (Postfix keeps the one it has), and gets the same answer.
// Without an instance nobody knows the recipients but the request itself, which
// names the recipient if there is only one.
func (s *PolicyServer) message(r *policyRequest) (answer judge.Answer) {
	var left []greylist.Attempt
	if r.instance != "" {
		var before refusal
		left, before = s.messages.take(r.instance)
		if before.client == r.clientAddress && before.sender == r.sender {
			answer = before.answer
		}
	} else if a := r.attempt(); r.recipient != "" && s.judge.LeavesToData(a) {
		left = []greylist.Attempt{a}
	}
	if len(left) > 0 {
		answer = worse(answer, s.judge.Message(s.ctx, named(left, r.queueID)))
	}
	if r.instance != "" && refuses(answer) {
		s.messages.refused(r.instance, refusal{r.clientAddress, r.sender, answer})
	}
	return answer
}
