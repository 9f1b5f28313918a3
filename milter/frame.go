package milter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"

	"greyglass/milter/listen"
)

// Commands of the milter protocol, as Sendmail's include/libmilter/mfdef.h
// (SMFIC_*) has them.
const (
	cmdNegotiate = 'O'
	cmdMacro     = 'D'
	cmdConnect   = 'C'
	cmdHelo      = 'H'
	cmdMail      = 'M'
	cmdRcpt      = 'R'
	cmdHeader    = 'L'
	cmdBody      = 'B'
	cmdBodyEnd   = 'E'
	cmdUnknown   = 'U'
	cmdAbort     = 'A'
	cmdQuitNC    = 'K'
	cmdEOH       = 'N'
	cmdQuit      = 'Q'
	cmdData      = 'T'
)

// A frame is a length in four octets, big endian, then so many octets: the
// command and its data (mfdef.h, MILTER_LEN_BYTES).
const frameHeader = 4

// maxHeader is the longest header field that an MTA sends, in octets: Postfix's
// header_size_limit, and the name.
const maxHeader = 102400 + 1024

var errFrame = errors.New("malformed frame")

func badFrame(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errFrame, fmt.Sprintf(format, args...))
}

// frameLimit returns the longest frame of the command, in octets. It is checked
// before the frame is allocated.
func frameLimit(l *listen.Limits, command byte) int {
	switch command {
	case cmdConnect, cmdHelo, cmdMail, cmdRcpt:
		return min(l.Line, l.Request)
	case cmdHeader:
		return max(l.Request, maxHeader)
	case cmdMacro, cmdBody, cmdBodyEnd, cmdUnknown:
		return l.Request
	default:
		return 1 << 10
	}
}

// checkFrame refuses a command on which the protocol library would panic, or that no
// MTA sends. The library does not check that a string ends with a NUL.
func checkFrame(command byte, data []byte) error {
	switch command {
	case cmdNegotiate:
		if len(data) < 12 {
			return badFrame("negotiation of %d octets, at least 12 are needed", len(data))
		}
	case cmdMacro:
		if len(data) == 0 {
			return badFrame("macros for no command")
		}
	case cmdHeader:
		if bytes.Count(data, []byte{0}) < 2 {
			return badFrame("header field without a value")
		}
	case cmdHelo, cmdMail, cmdRcpt:
		if bytes.IndexByte(data, 0) < 0 {
			return badFrame("string of command %q does not end", command)
		}
	case cmdConnect:
		_, rest, ok := bytes.Cut(data, []byte{0})
		switch {
		case !ok:
			return badFrame("host name of a connection does not end")
		case len(rest) == 0:
			return badFrame("connection without an address family")
		}
	case cmdBody, cmdBodyEnd, cmdUnknown, cmdAbort, cmdQuitNC, cmdEOH, cmdQuit, cmdData:
	default:
		return badFrame("command %q is unknown", command)
	}
	return nil
}

// Address families of a connect command (mfdef.h, SMFIA_*).
const (
	familyUnknown = 'U'
	familyUnix    = 'L'
	familyInet    = '4'
	familyInet6   = '6'
)

// badAddress begins an address that [normalizeConnect] has replaced. No path of a
// unix socket begins with it.
const badAddress = "\x01bad:"

// normalizeConnect rewrites a connect command whose address the library cannot parse:
// it makes it the path of a unix socket. Otherwise the library would close the
// connection, and the session would have no answer and no line in the log.
func normalizeConnect(data []byte) []byte {
	host, rest, _ := bytes.Cut(data, []byte{0})
	family := rest[0]
	var text string
	if len(rest) >= 3 {
		address, _, _ := bytes.Cut(rest[3:], []byte{0})
		text = string(address)
	}
	switch family {
	case familyUnknown:
		return data
	case familyUnix:
		if len(rest) >= 3 {
			return data
		}
		return append(append([]byte{}, host...), 0, familyUnknown) // no path, but no network address either
	case familyInet:
		if ip := net.ParseIP(text); ip != nil && ip.To4() != nil {
			return data
		}
	case familyInet6:
		bare := strings.TrimPrefix(text, "IPv6:")
		if len(bare) > 2 && bare[0] == '[' && bare[len(bare)-1] == ']' {
			bare = bare[1 : len(bare)-1]
		}
		if net.ParseIP(bare) != nil {
			return data
		}
	default:
		text = fmt.Sprintf("address of family %q", family)
	}
	return fmt.Appendf(nil, "%s\x00%c\x00\x00%s%s\x00", host, familyUnix, badAddress, text)
}

// appendFrame appends the frame of a command.
func appendFrame(b []byte, command byte, data []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(1+len(data)))
	b = append(b, command)
	return append(b, data...)
}
