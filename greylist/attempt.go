package greylist

// Attempt is one recipient of one message, as an MTA tells of it: what every
// rule is asked about. Addresses are as the MTA wrote them, with or without
// angle brackets.
type Attempt struct {
	Client     Client
	ClientName string // which the MTA has forward-confirmed; else empty
	Helo       string
	Sender     string // the envelope sender; empty or "<>" for a bounce
	Recipient  string

	Authenticated bool // the client gave a user's credentials (RFC 4954)
	VerifiedTLS   bool // the client showed a TLS certificate that the MTA verified

	QueueID string // where the MTA has one already
	Via     string // the front end: "milter" or "policy"
}
