package listen

import "time"

// Limits bound what peers may take of the daemon.
type Limits struct {
	Connections int           // at the same time; further ones are refused
	PerAddress  int           // of these, from one network address
	Negotiation time.Duration // for the first request, from the first moment
	Command     time.Duration // for the rest of a request that has begun
	Idle        time.Duration // between requests; MTAs are silent for up to 7210 s
	Recipients  int           // of one message that are kept until DATA
	Line        int           // octets of an SMTP command's arguments, or of a policy attribute
	Request     int           // octets of a milter frame, or of a policy request
	Attributes  int           // of a policy request
}

// OrDefaults has defaults in the place of the bounds of requests that are zero.
func (l Limits) OrDefaults() Limits {
	for _, bound := range []struct {
		value   *int
		instead int
	}{{&l.PerAddress, l.Connections}, {&l.Line, DefaultLine}, {&l.Request, DefaultRequest}, {&l.Attributes, DefaultAttributes}} {
		if *bound.value == 0 {
			*bound.value = bound.instead
		}
	}
	return l
}

const (
	DefaultLine       = 16 << 10  // octets; MTAs cut SMTP command lines at 2 to 12 KiB
	DefaultRequest    = 1 + 65535 // octets: a chunk of a message's body (mfdef.h, MILTER_CHUNK_SIZE), which is never asked for
	DefaultAttributes = 200       // Postfix sends some 30
)
