// Package deferred keeps, for both front ends, the recipients of a message that are
// deferred to DATA, and the answer at DATA.
package deferred

import (
	"context"
	"log/slog"
	"sync/atomic"

	"greyglass/greylist"
	"greyglass/greylist/judge"
)

// Message is one message. The zero value has no recipients.
type Message struct {
	pending []*judge.Pending
	octets  int64
	full    bool         // a recipient was refused at the limit
	whole   judge.Answer // the answer at DATA

	accepted judge.Answer // to a recipient, the one that tells most
}

// Recipient answers a recipient at RCPT, and keeps it if it is deferred to DATA. At the
// limit the recipient is refused for now or, in observe mode, judged at once.
func (m *Message) Recipient(ctx context.Context, j *judge.Judge, facts *judge.Message, a greylist.Attempt, room *Room, limit int, log *slog.Logger) judge.Answer {
	answer, pending := j.Recipient(ctx, facts, a)
	if pending == nil {
		m.accepted = judge.MoreTelling(m.accepted, answer)
		return answer
	}
	if limit = room.limit(limit); len(m.pending) >= limit {
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
// send DATA again for the same message, and gets the same answer.
func (m *Message) Data(ctx context.Context, j *judge.Judge, queueID string, room *Room) judge.Answer {
	if len(m.pending) > 0 {
		m.Answered(j.Data(ctx, queueID, m.pending))
	}
	m.Release(room)
	return m.whole
}

// Answered stores the answer at DATA.
func (m *Message) Answered(a judge.Answer) {
	m.whole, m.accepted = judge.Worse(m.whole, a), judge.MoreTelling(m.accepted, a)
}

// Header returns the text of the message's header field, once; empty if it gets none.
func (m *Message) Header(j *judge.Judge) string {
	if m.whole.Refuses() {
		return ""
	}
	text := j.Header(m.accepted)
	m.accepted = judge.Answer{}
	return text
}

// Release forgets the recipients that are kept.
func (m *Message) Release(room *Room) {
	room.used.Add(-m.octets)
	m.pending, m.octets = nil, 0
}

// Octets returns about how much memory the kept recipients take.
func (m *Message) Octets() int64 { return m.octets }

const perRecipient = 300 // octets, without its strings

func (m *Message) keep(p *judge.Pending, room *Room) {
	octets := int64(perRecipient + len(p.Attempt.Recipient))
	var first greylist.Attempt
	if len(m.pending) > 0 {
		first = m.pending[0].Attempt
	}
	// Recipients of one message share these strings.
	for _, s := range []struct {
		own   *string
		first string
	}{{&p.Attempt.ClientName, first.ClientName}, {&p.Attempt.Helo, first.Helo}, {&p.Attempt.Sender, first.Sender}, {&p.Attempt.QueueID, first.QueueID}} {
		if *s.own == s.first {
			*s.own = s.first
		} else {
			octets += int64(len(*s.own))
		}
	}
	m.pending = append(m.pending, p)
	m.octets += octets
	room.used.Add(octets)
}

// Room is the memory budget of all messages of a front end together.
type Room struct{ used atomic.Int64 }

// MaxRoom is the budget, in octets.
const MaxRoom = 16 << 20

// Used returns how much of the budget is used.
func (r *Room) Used() int64 { return r.used.Load() }

// limit returns how many recipients a message may have: the configured number, and
// fewer when memory is short. Bounces and callouts usually have one.
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

// tooManyRecipients is the answer at the limit (RFC 5321, section 4.5.3.1.10).
var tooManyRecipients = judge.Answer{
	Verdict: greylist.Defer,
	Reply:   greylist.Reply{Code: 452, Enhanced: "4.5.3", Text: "Too many recipients"},
}

func warnTooMany(log *slog.Logger, limit int, a greylist.Attempt, policy *judge.Policy) {
	event := eventTooMany
	if policy.Observe {
		event = eventTooManyObserved
	}
	log.Warn(event,
		"recipients", limit, "client", policy.LogName(a.Client.String()), "queue_id", a.QueueID)
}
