package greylist

// Verdict is what a recipient is answered.
type Verdict string

const (
	Accept Verdict = "accept" // continue, without a reply
	Defer  Verdict = "defer"  // a 4xx reply: try again later (RFC 5321, section 4.2.1)
	Deny   Verdict = "deny"   // a 5xx reply: do not try again
)

// InWords says what was done with mail, by a verdict that is known.
func (v Verdict) InWords() string {
	return map[Verdict]string{Accept: "accepted", Defer: "deferred", Deny: "denied"}[v]
}

// Reason says which rule a verdict comes from. Scripts rely on the words: they are
// part of the log format and of the commands' output.
type Reason string

// The reasons of the lists.
const (
	ReasonLocal                  Reason = "local"
	ReasonException              Reason = "exception"
	ReasonBlocked                Reason = "blocked"
	ReasonAuthenticated          Reason = "authenticated"
	ReasonAllowedClient          Reason = "allowed-client"
	ReasonForeignDomain          Reason = "foreign-domain"
	ReasonWhitelistedTriple      Reason = "whitelisted-triple"
	ReasonWhitelistedNonstandard Reason = "whitelisted-nonstandard"
)

// ReasonExpected: the mail is expected, see [Expectation].
const ReasonExpected Reason = "expected"

// ReasonCorrespondent: the recipient has written to the sender, see [Outgoing].
const ReasonCorrespondent Reason = "correspondent"

// ReasonProvenClient: the client is proven, see [Proving].
const ReasonProvenClient Reason = "proven-client"

// The reasons of the greylist; see [Windows.Decide].
const (
	ReasonGreyTooLong   Reason = "grey-too-long"
	ReasonAlreadyGrey   Reason = "already-grey"
	ReasonNotSeenBefore Reason = "not-seen-before"
	ReasonWayTooSoon    Reason = "way-too-soon"
	ReasonTooSoon       Reason = "too-soon"
	ReasonTooLate       Reason = "too-late"
	ReasonNowGrey       Reason = "now-grey"
)

// ReasonError: a rule or the greylist failed.
const ReasonError Reason = "error"

// Reasons are all reasons but those of ordered rules, "rule:NAME".
var Reasons = []Reason{
	ReasonLocal, ReasonException, ReasonBlocked, ReasonAuthenticated, ReasonAllowedClient, ReasonForeignDomain,
	ReasonWhitelistedTriple, ReasonWhitelistedNonstandard, ReasonExpected, ReasonCorrespondent, ReasonProvenClient,
	ReasonGreyTooLong, ReasonAlreadyGrey, ReasonNotSeenBefore, ReasonWayTooSoon, ReasonTooSoon, ReasonTooLate, ReasonNowGrey,
	ReasonError,
}

// Greylist reports whether the reason is one of the greylist's.
func (r Reason) Greylist() bool {
	switch r {
	case ReasonGreyTooLong, ReasonAlreadyGrey, ReasonNotSeenBefore, ReasonWayTooSoon, ReasonTooSoon, ReasonTooLate, ReasonNowGrey:
		return true
	}
	return false
}

// expired reports whether the entry counted as unknown: it could have been removed.
func (r Reason) expired() bool { return r == ReasonTooLate || r == ReasonGreyTooLong }
