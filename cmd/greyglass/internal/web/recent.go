package web

import (
	"cmp"
	"net/netip"
	"strings"
	"sync"

	"greyglass/greylist"
	"greyglass/greylist/judge"
)

// Decided is a decision that was made lately.
type Decided = judge.Decided

// Recent keeps the newest decisions in memory, in a ring. A decision takes its lock for as
// long as it takes to copy some words.
type Recent struct {
	mu   sync.Mutex
	ring []Decided
	next int // where the next decision goes
	full bool
}

// NewRecent makes room for a number of decisions, at least one.
func NewRecent(size int) *Recent { return &Recent{ring: make([]Decided, size)} }

// Note keeps a decision. It is called by the judge.
func (k *Recent) Note(d Decided) {
	k.mu.Lock()
	k.ring[k.next] = d
	if k.next++; k.next == len(k.ring) {
		k.next, k.full = 0, true
	}
	k.mu.Unlock()
}

// Clear forgets all decisions.
func (k *Recent) Clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.ring)
	k.next, k.full = 0, false
}

// piece is how many decisions are looked at before the lock is given to others.
const piece = 256

// Find returns up to most decisions that are wanted, the newest first.
func (k *Recent) Find(wanted func(*Decided) bool, most int) (found []Decided) {
	some := make([]Decided, 0, piece)
	for done, end := 0, false; !end && len(found) < most; done += piece {
		some, end = k.copy(some[:0], done)
		for i := range some {
			if wanted(&some[i]) && len(found) < most {
				found = append(found, some[i])
			}
		}
	}
	return found
}

// copy appends a piece of the decisions, from newest to oldest, after those that are done.
func (k *Recent) copy(some []Decided, done int) (_ []Decided, end bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	size := k.next
	if k.full {
		size = len(k.ring)
	}
	for i := done; i < min(size, done+piece); i++ {
		some = append(some, k.ring[(k.next-1-i+2*len(k.ring))%len(k.ring)])
	}
	return some, done+piece >= size
}

// keeps reports whether decisions are kept. With log.private they are not, and those from
// before are forgotten.
func (d *serving) keeps() bool {
	if d.Recent == nil {
		return false
	}
	if d.Policy().PrivateLog {
		d.Recent.Clear()
		return false
	}
	return true
}

// clientOf is the client of a decision as a search takes it; empty if it has no address.
func clientOf(d Decided) string {
	if _, err := netip.ParseAddr(d.Client); err != nil && d.Identity == "" {
		return ""
	}
	return cmp.Or(d.Identity, d.Client)
}

// queryOf is the search that finds a decision again.
func queryOf(d Decided) string {
	return strings.TrimSpace(clientOf(d) + " " + d.Sender + " " + d.Recipient)
}

// why says what a decision means, in a few words.
func why(d Decided) string {
	words, ok := reasonWords[d.Reason]
	switch {
	case !ok:
		return "rule"
	case d.Observed:
		return words + "; only observed"
	}
	return words
}

var reasonWords = map[greylist.Reason]string{
	greylist.ReasonLocal:                  "from this machine",
	greylist.ReasonException:              "the recipient takes mail of blocked senders",
	greylist.ReasonBlocked:                "the sender is blocked",
	greylist.ReasonAuthenticated:          "the client has logged in",
	greylist.ReasonAllowedClient:          "the client is allowed",
	greylist.ReasonForeignDomain:          "the recipient's domain is not ours",
	greylist.ReasonWhitelistedTriple:      "whitelisted",
	greylist.ReasonWhitelistedNonstandard: "whitelisted",
	greylist.ReasonExpected:               "expected",
	greylist.ReasonCorrespondent:          "a reply to mail of the recipient",
	greylist.ReasonProvenClient:           "the client is proven",
	greylist.ReasonGreyTooLong:            "not seen for too long; waits again",
	greylist.ReasonAlreadyGrey:            "has passed before",
	greylist.ReasonNotSeenBefore:          "seen for the first time",
	greylist.ReasonWayTooSoon:             "tried again much too soon; the wait begins again",
	greylist.ReasonTooSoon:                "tried again too soon; the wait goes on",
	greylist.ReasonTooLate:                "tried again too late; the wait begins again",
	greylist.ReasonNowGrey:                "tried again at the right time",
	greylist.ReasonError:                  "it could not be judged; on_error answered",
}
