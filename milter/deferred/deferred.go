// Package deferred is what both front ends keep of a message between RCPT and DATA:
// the recipients that are deferred to DATA, and what DATA was answered.
package deferred

import (
	"context"
	"log/slog"
	"sync/atomic"

	"greyglass/greylist"
	"greyglass/greylist/judge"
)

// Message is one message. Its zero value has no recipients yet.
type Message struct {
	waiting []*judge.Pending
	octets  int64
	full    bool         // more recipients were offered than are kept
	refusal judge.Answer // what DATA was answered, if it was refused
}

// Recipient answers a recipient at RCPT, and keeps it if it is deferred to DATA. Where
// no more are kept it is refused for now or, if the greylist only observes, judged.
func (m *Message) Recipient(ctx context.Context, j *judge.Judge, facts *judge.Message, a greylist.Attempt, room *Room, limit int, log *slog.Logger) judge.Answer {
	answer, pending := j.Recipient(ctx, facts, a)
	if pending == nil {
		return answer
	}
	if limit = room.limit(limit); len(m.waiting) >= limit {
		if !m.full {
			m.full = true
			warnTooMany(log, limit, a, j.Policy())
		}
		if j.Policy().Observe {
			return j.Data(ctx, a.QueueID, []*judge.Pending{pending})
		}
		return tooManyRecipients
	}
	m.keep(pending, room)
	return answer
}

// Data judges, at DATA, the recipients that are kept. A client that was refused may
// ask again without a new message (Postfix keeps the one it has), and gets the same
// answer.
func (m *Message) Data(ctx context.Context, j *judge.Judge, queueID string, room *Room) judge.Answer {
	if len(m.waiting) > 0 {
		m.refusal = worse(m.refusal, j.Data(ctx, queueID, m.waiting))
	}
	m.Release(room)
	return m.refusal
}

// Answered notes what DATA was answered for a message that was not kept.
func (m *Message) Answered(a judge.Answer) { m.refusal = worse(m.refusal, a) }

// Release forgets the recipients that are kept.
func (m *Message) Release(room *Room) {
	room.used.Add(-m.octets)
	m.waiting, m.octets = nil, 0
}

// Octets is about how much memory the recipients take that are kept.
func (m *Message) Octets() int64 { return m.octets }

const perRecipient = 300 // octets, beside its strings

func (m *Message) keep(p *judge.Pending, room *Room) {
	octets := int64(perRecipient + len(p.Attempt.Recipient))
	var first greylist.Attempt
	if len(m.waiting) > 0 {
		first = m.waiting[0].Attempt
	}
	// Recipients of one message have the rest in common: it is kept once.
	for _, s := range []struct {
		own   *string
		first string
	}{{&p.Attempt.Helo, first.Helo}, {&p.Attempt.Sender, first.Sender}, {&p.Attempt.QueueID, first.QueueID}} {
		if *s.own == s.first {
			*s.own = s.first
		} else {
			octets += int64(len(*s.own))
		}
	}
	m.waiting = append(m.waiting, p)
	m.octets += octets
	room.used.Add(octets)
}

// Room bounds the memory of all messages of a front end together.
type Room struct{ used atomic.Int64 }

// MaxRoom is how much there is, in octets.
const MaxRoom = 16 << 20

// Used is how much of it is taken.
func (r *Room) Used() int64 { return r.used.Load() }

// limit returns how many recipients a message may have, of the configured number.
// The less room there is, the fewer: bounces and callouts have one.
func (r *Room) limit(configured int) int {
	switch used := r.Used(); {
	case used < MaxRoom/2:
		return configured
	case used < MaxRoom/4*3:
		return min(configured, 20)
	case used < MaxRoom:
		return min(configured, 2)
	}
	return 0
}

// tooManyRecipients is the answer to recipients that are not kept; the reply is the
// one that RFC 5321, section 4.5.3.1.10, has for it.
var tooManyRecipients = judge.Answer{
	Verdict: greylist.Defer,
	Reply:   greylist.Reply{Code: 452, Enhanced: "4.5.3", Text: "Too many recipients"},
}

// warnTooMany logs, once a message, the first recipient that is not kept.
func warnTooMany(log *slog.Logger, limit int, a greylist.Attempt, policy *judge.Policy) {
	log.Warn("recipient limit reached (limits.recipients): the message has more recipients that are deferred to DATA; refusing further ones for now",
		"recipients", limit, "client", policy.LogName(a.Client.String()), "queue_id", a.QueueID)
}

// Refuses reports whether the answer is no Accept.
func Refuses(a judge.Answer) bool {
	return a.Verdict == greylist.Defer || a.Verdict == greylist.Deny
}

// worse returns the answer that holds for a message which has got both: a refusal
// rather than none, of two the one with the longer wait.
func worse(a, b judge.Answer) judge.Answer {
	if Refuses(b) && (!Refuses(a) || b.Wait > a.Wait) {
		return b
	}
	return a
}
