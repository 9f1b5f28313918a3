package maillog

import (
	"bytes"
	"net/netip"

	"greyglass/greylist/address"
)

var space = []byte(" ")

// maxAddress is the longest address that is read, in octets; longer ones are not SMTP
// (RFC 5321, section 4.5.3.1).
const maxAddress = 320

// cutAddress reads an address in angle brackets, which may be empty.
func cutAddress(b []byte) (addr, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '<' {
		return nil, nil, false
	}
	end := bytes.IndexByte(b, '>')
	if end < 0 {
		return nil, nil, false
	}
	addr = b[1:end]
	return addr, b[end+1:], len(addr) == 0 || isAddress(addr)
}

// isAddress reports whether an address is such that no field can hide in it, nor it in
// others: it has at most one "@", and no character that needs quotes (RFC 5322, section
// 3.2.3).
func isAddress(b []byte) bool {
	if len(b) == 0 || len(b) > maxAddress {
		return false
	}
	at := 0
	for _, c := range b {
		switch {
		case c == '@':
			at++
		case c <= ' ' || c == 0x7f || isSpecial[c]:
			return false
		}
	}
	return at <= 1
}

var isSpecial = func() (special [256]bool) {
	for _, c := range []byte(`<>()[]",;:\`) {
		special[c] = true
	}
	return special
}()

// isHostName reports whether a name has only what names of hosts have.
func isHostName(b []byte) bool {
	for _, c := range b {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_') {
			return false
		}
	}
	return len(b) > 0 && len(b) <= 255
}

// isHELO reports whether a HELO name is a host's, or an address in brackets.
func isHELO(b []byte) bool {
	for _, c := range b {
		if c != '[' && c != ']' && c != ':' && !isHostName([]byte{c}) {
			return false
		}
	}
	return len(b) <= 255
}

// cutIP reads an IP address in square brackets, and a port after it if there is one.
func cutIP(b []byte) (ip netip.Addr, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '[' {
		return ip, nil, false
	}
	end := bytes.IndexByte(b[:min(len(b), 64)], ']')
	if end < 0 {
		return ip, nil, false
	}
	ip, err := address.ParseIP(string(b[1:end]))
	if err != nil {
		return ip, nil, false
	}
	b = b[end+1:]
	if len(b) > 1 && b[0] == ':' && '0' <= b[1] && b[1] <= '9' {
		for b = b[1:]; len(b) > 0 && '0' <= b[0] && b[0] <= '9'; b = b[1:] {
		}
	}
	return ip, b, true
}

// cutName reads NAME[IP], as Postfix writes a client or a server. "unknown" is no name.
func cutName(b []byte) (name []byte, ip netip.Addr, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '[')
	if i < 0 || i > 0 && !isHostName(b[:i]) {
		return nil, ip, nil, false
	}
	name = b[:i]
	if string(name) == "unknown" {
		name = nil
	}
	ip, rest, ok = cutIP(b[i:])
	return name, ip, rest, ok
}

// cutField reads "KEY=VALUE", where a comma and a space, or the end, follow.
func cutField(b []byte) (key, value, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '=')
	if i <= 0 {
		return nil, nil, nil, false
	}
	key, b = b[:i], b[i+1:]
	if i = bytes.Index(b, []byte(", ")); i < 0 {
		return key, b, nil, true
	}
	return key, b[:i], b[i+2:], true
}

// cut is [bytes.CutPrefix] for a prefix that is a string.
func cut(b []byte, prefix string) ([]byte, bool) {
	if len(b) < len(prefix) || string(b[:len(prefix)]) != prefix {
		return b, false
	}
	return b[len(prefix):], true
}

// placeOf tells where a server is.
func placeOf(server netip.Addr) place {
	switch {
	case server.IsLoopback():
		return itself
	case near(server):
		return neighbour
	}
	return outside
}

// near reports whether an address is the machine's own, or in a private network.
func near(ip netip.Addr) bool { return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() }
