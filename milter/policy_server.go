package milter

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"greyglass/greylist"
)

// PolicyServer serves Postfix's policy delegation protocol, by which Exim asks
// too. It answers as the milter does, from the same judge.
type PolicyServer struct {
	judge    *greylist.Judge
	gate     *Gate
	log      *slog.Logger
	messages *messages

	ctx    context.Context // of what requests wait for
	cancel context.CancelFunc

	mu        sync.Mutex
	stopping  bool
	listeners map[net.Listener]bool
	serving   sync.WaitGroup // a connection each
}

// NewPolicyServer makes a server that asks the judge and lets in whom the gate does.
func NewPolicyServer(judge *greylist.Judge, gate *Gate, log *slog.Logger) *PolicyServer {
	ctx, cancel := context.WithCancel(context.Background())
	return &PolicyServer{judge: judge, gate: gate, log: log, messages: newMessages(time.Now),
		ctx: ctx, cancel: cancel, listeners: make(map[net.Listener]bool)}
}

// Serve accepts connections until the server is shut down; it then returns nil.
// It may be called for several listeners at the same time.
func (s *PolicyServer) Serve(l net.Listener) error {
	guarded := s.gate.guard(l, "policy")
	if !s.track(guarded) {
		return guarded.Close()
	}
	for {
		c, err := guarded.accept()
		if err != nil {
			if s.stopped() {
				return nil
			}
			return err
		}
		s.serving.Go(func() { s.converse(c) })
	}
}

// track notes a listener, unless the server is being shut down.
func (s *PolicyServer) track(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners[l] = true
	return !s.stopping
}

func (s *PolicyServer) stopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// Shutdown does for policy clients what [Server.Shutdown] does for milter
// clients.
func (s *PolicyServer) Shutdown(ctx context.Context, grace time.Duration) error {
	defer s.cancel()
	s.mu.Lock()
	s.stopping = true
	for l := range s.listeners {
		_ = l.Close()
	}
	s.mu.Unlock()
	s.gate.finishBy(time.Now().Add(grace))
	ended := make(chan struct{})
	go func() { s.serving.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		s.gate.closeAll()
		return fmt.Errorf("policy: shutdown: %w", ctx.Err())
	}
}

// converse answers the requests of a connection: one, as Exim makes, or many, as
// Postfix does. It ends when the peer has shut down its side.
func (s *PolicyServer) converse(c *conn) {
	defer c.Close()
	for {
		text, err := c.nextRequest()
		if err != nil {
			return
		}
		request, err := parsePolicyRequest(text)
		if err != nil {
			_ = c.refuse(err)
			_ = c.send(policyReply(dunno)) // whoever it is shall not wait for an answer
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

// action is the answer to a request: a reply of ours for the client, or dunno,
// which is also the answer if anything of ours fails.
func (s *PolicyServer) action(r *policyRequest) (action string) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("panic in a policy session; this is a bug, please report it", "panic", p, "stack", string(debug.Stack()))
			action = dunno
		}
	}()
	if r.kind != "smtpd_access_policy" {
		return dunno
	}
	var answer greylist.Answer
	switch r.state {
	case "RCPT":
		answer = s.recipient(r)
	case "DATA", "END-OF-MESSAGE":
		answer = s.message(r)
	}
	if answer.Verdict == greylist.Defer || answer.Verdict == greylist.Deny {
		return answer.Reply.String()
	}
	return dunno
}

func (s *PolicyServer) recipient(r *policyRequest) greylist.Answer {
	attempt := r.attempt()
	answer, judged := s.judge.Recipient(s.ctx, attempt)
	if !judged && r.instance != "" && !s.messages.keep(r.instance, attempt, s.gate.Limits().Recipients) {
		return greylist.Answer{Verdict: greylist.Defer, Reply: tooManyRecipients}
	}
	return answer
}

// message judges, at the first of DATA and END-OF-MESSAGE, the recipients that
// RCPT left to it. Without an instance nobody knows them but the request itself,
// which names the recipient if there is only one.
func (s *PolicyServer) message(r *policyRequest) greylist.Answer {
	var left []greylist.Attempt
	if r.instance != "" {
		left = s.messages.take(r.instance)
	} else if a := r.attempt(); r.recipient != "" && s.judge.LeavesToData(a) {
		left = []greylist.Attempt{a}
	}
	if len(left) == 0 {
		return greylist.Answer{Verdict: greylist.Accept}
	}
	for i := range left {
		if r.queueID != "" {
			left[i].QueueID = r.queueID
		}
	}
	return s.judge.Message(s.ctx, left)
}
