package greylist

// Attempt is one recipient of one message, as an MTA describes it. Addresses are
// as the MTA wrote them, with or without angle brackets.
type Attempt struct {
	Client     Client
	ClientName string // forward-confirmed by the MTA; else empty
	Helo       string
	Sender     string // the envelope sender; empty or "<>" for a bounce
	Recipient  string

	Authenticated bool // the client gave a user's credentials (RFC 4954)
	VerifiedTLS   bool // the client showed a TLS certificate that the MTA verified

	QueueID string // empty if the MTA has none yet
	Via     string // the front end: "milter" or "policy"; or [ViaProbe]
}

// ViaProbe is the front end of an attempt that 'greyglass probe' or 'doctor' makes. It is in
// no statistics.
const ViaProbe = "probe"
