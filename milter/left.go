package milter

import (
	"log/slog"

	"greyglass/greylist"
	"greyglass/greylist/judge"
)

// What both front ends do with recipients that are left to DATA.

// tooManyRecipients is the answer to those for whom there is no room; the reply
// is the one that RFC 5321, section 4.5.3.1.10, has for it.
var tooManyRecipients = judge.Answer{
	Verdict: greylist.Defer,
	Reply:   greylist.Reply{Code: 452, Enhanced: "4.5.3", Text: "Too many recipients"},
}

// warnTooMany is said once a message, of the first recipient that has no room.
func warnTooMany(log *slog.Logger, limit int, a greylist.Attempt, policy *judge.Policy) {
	log.Warn("a message has more recipients that are left to DATA than limits.recipients allows; further ones are deferred",
		"recipients", limit, "client", policy.LogName(a.Client.String()), "queue_id", a.QueueID)
}

// named gives the attempts the queue ID that the MTA knows at DATA, if it does.
func named(left []greylist.Attempt, queueID string) []greylist.Attempt {
	if queueID != "" {
		for i := range left {
			left[i].QueueID = queueID
		}
	}
	return left
}

func refuses(a judge.Answer) bool {
	return a.Verdict == greylist.Defer || a.Verdict == greylist.Deny
}

// worse returns the answer that holds for a message which has got both: a
// refusal rather than none, of two the one with the longer wait.
func worse(a, b judge.Answer) judge.Answer {
	if refuses(b) && (!refuses(a) || b.Wait > a.Wait) {
		return b
	}
	return a
}
