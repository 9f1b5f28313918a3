// Package deferred is what both front ends do with recipients that are deferred
// to DATA.
package deferred

import (
	"log/slog"

	"greyglass/greylist"
	"greyglass/greylist/judge"
)

// TooManyRecipients is the answer to those for whom there is no room; the reply
// is the one that RFC 5321, section 4.5.3.1.10, has for it. A policy that only
// observes defers nobody.
func TooManyRecipients(p *judge.Policy) judge.Answer {
	if p.Observe {
		return judge.Answer{Verdict: greylist.Accept, Observed: true}
	}
	return judge.Answer{
		Verdict: greylist.Defer,
		Reply:   greylist.Reply{Code: 452, Enhanced: "4.5.3", Text: "Too many recipients"},
	}
}

// WarnTooMany logs, once a message, the first recipient that has no room.
func WarnTooMany(log *slog.Logger, limit int, a greylist.Attempt, policy *judge.Policy) {
	log.Warn("limits.recipients reached: a message has more recipients that are deferred to DATA; refusing further ones for now",
		"recipients", limit, "client", policy.LogName(a.Client.String()), "queue_id", a.QueueID)
}

// Refuses reports whether the answer is no Accept.
func Refuses(a judge.Answer) bool {
	return a.Verdict == greylist.Defer || a.Verdict == greylist.Deny
}

// Worse returns the answer that holds for a message which has got both: a
// refusal rather than none, of two the one with the longer wait.
func Worse(a, b judge.Answer) judge.Answer {
	if Refuses(b) && (!Refuses(a) || b.Wait > a.Wait) {
		return b
	}
	return a
}
