package listen

import "time"

// Limits bound the resources of peers.
type Limits struct {
	Connections int           // at the same time
	PerAddress  int           // of these, from one network address
	Negotiation time.Duration // from the connection to the end of the first request
	Command     time.Duration // from the beginning to the end of a request
	Idle        time.Duration // between requests; MTAs are silent for up to 7210 s
	Recipients  int           // deferred to DATA, of one message
	Line        int           // octets of an SMTP command's arguments, or of a policy attribute
	Request     int           // octets of a milter frame, or of a policy request
	Attributes  int           // of a policy request
}

// The defaults of the limits of requests.
const (
	DefaultLine       = 16 << 10  // octets; MTAs cut SMTP command lines at 2 to 12 KiB
	DefaultRequest    = 1 + 65535 // octets: a chunk of a message's body (mfdef.h, MILTER_CHUNK_SIZE)
	DefaultAttributes = 200       // Postfix sends some 30
)
