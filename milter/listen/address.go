package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
)

// Address is where a front end listens or is reached, spelled as MTAs spell
// theirs; see [ParseAddress].
type Address struct {
	Network string // "unix", "tcp4", "tcp6", "tcp" (a host name, of either family), or "systemd"
	Addr    string // a clean absolute path; host:port; or the name of a passed socket
}

// maxSocketPath is the longest path of a unix socket, in bytes: sun_path of
// unix(7) less its terminating NUL.
const maxSocketPath = 107

// maxSocketName is the longest name of a socket that systemd passes, in bytes
// (FileDescriptorName= in systemd.socket(5)).
const maxSocketName = 255

// ParseAddress reads an address in any of these spellings:
//
//	unix:/PATH  local:/PATH  /PATH            a unix socket
//	inet:HOST:PORT  inet:PORT@HOST            TCP; an IPv6 address before a port stands in brackets
//	inet6:[ADDRESS]:PORT  inet6:PORT@HOST     TCP over IPv6
//	systemd:NAME                              a socket that systemd passes under that name
//
// PORT@HOST is how Sendmail and Postfix's libmilter write it. HOST may be a
// name, which is resolved when it is used; port 0 is any free port.
// The error quotes the address, says what is wrong with it and, after a
// semicolon, how to fix it.
func ParseAddress(s string) (Address, error) {
	a, err := parseAddress(s)
	if err != nil {
		return Address{}, fmt.Errorf("%q %w", s, err)
	}
	return a, nil
}

func parseAddress(s string) (Address, error) {
	if strings.ContainsRune(s, 0) {
		return Address{}, errors.New("holds a NUL character; remove it")
	}
	if strings.HasPrefix(s, "/") {
		return parseUnix(s)
	}
	scheme, rest, ok := strings.Cut(s, ":")
	switch {
	case ok && (scheme == "unix" || scheme == "local"):
		return parseUnix(rest)
	case ok && (scheme == "inet" || scheme == "inet6"):
		return parseInet(scheme, rest)
	case ok && scheme == "systemd":
		return parseSystemd(rest)
	}
	return Address{}, errors.New("does not begin with a family; write inet:127.0.0.1:8895, inet6:[::1]:8895, unix:/run/greyglass/milter.sock or systemd:NAME")
}

func parseUnix(p string) (Address, error) {
	switch {
	case p == "":
		return Address{}, errors.New("has no path; write unix:/run/greyglass/milter.sock")
	case !strings.HasPrefix(p, "/"):
		return Address{}, errors.New("has a relative path; write it in full, as unix:/run/greyglass/milter.sock")
	case strings.HasSuffix(p, "/"):
		return Address{}, errors.New("names a folder; add the name of the socket, as in unix:/run/greyglass/milter.sock")
	}
	p = path.Clean(p)
	if len(p) > maxSocketPath {
		return Address{}, fmt.Errorf("has a path of %d bytes, and unix sockets allow %d; choose a shorter one", len(p), maxSocketPath)
	}
	return Address{"unix", p}, nil
}

func parseSystemd(name string) (Address, error) {
	const fix = "write the FileDescriptorName= of the socket unit, as in systemd:milter"
	if name == "" {
		return Address{}, errors.New("has no name; " + fix)
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c > '~' || c == ':' {
			return Address{}, fmt.Errorf("has a name with %q in it, which systemd does not allow; %s", c, fix)
		}
	}
	if len(name) > maxSocketName {
		return Address{}, fmt.Errorf("has a name longer than %d bytes; %s", maxSocketName, fix)
	}
	return Address{"systemd", name}, nil
}

// parseInet reads what follows "inet:" or "inet6:".
func parseInet(scheme, s string) (Address, error) {
	loopback := "127.0.0.1"
	if scheme == "inet6" {
		loopback = "[::1]"
	}
	example := fmt.Sprintf("%s:%s:8895", scheme, loopback)
	port, host, reversed := strings.Cut(s, "@")
	if !reversed {
		i := strings.LastIndexByte(s, ':')
		if _, err := strconv.ParseUint(s, 10, 16); err == nil {
			return Address{}, fmt.Errorf("has no host; write %s:%s:%s, or 0.0.0.0 or [::] as the host to listen on all interfaces", scheme, loopback, s)
		}
		if i < 0 || strings.HasSuffix(s, "]") {
			return Address{}, errors.New("has no port; write " + example)
		}
		host, port = s[:i], s[i+1:]
		if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
			return Address{}, errors.New("has an IPv6 address without brackets; write inet6:[::1]:8895")
		}
	}
	if host == "" {
		return Address{}, fmt.Errorf("has no host; write %s, or 0.0.0.0 or [::] as the host to listen on all interfaces", example)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Address{}, fmt.Errorf("has %q for a port; write a number from 0 to 65535, as in %s", port, example)
	}
	network, host, err := parseHost(scheme, host)
	if err != nil {
		return Address{}, fmt.Errorf("%w; write %s", err, example)
	}
	return Address{network, net.JoinHostPort(host, strconv.FormatUint(n, 10))}, nil
}

// parseHost reads a host, and returns the network that it is of. An address
// decides that itself: Go's "tcp" would make 0.0.0.0 mean IPv6 as well.
func parseHost(scheme, s string) (network, host string, err error) {
	literal, bracketed := strings.CutPrefix(s, "[")
	if bracketed {
		var closed bool
		if literal, closed = strings.CutSuffix(literal, "]"); !closed {
			return "", "", errors.New("has an unmatched bracket")
		}
	}
	addr, err := netip.ParseAddr(literal)
	switch {
	case err != nil && bracketed:
		return "", "", fmt.Errorf("has %q in brackets, which is no IPv6 address", literal)
	case err != nil && !isHostName(s):
		return "", "", fmt.Errorf("has %q for a host, which is neither a name nor an address", s)
	case err != nil && scheme == "inet6":
		return "tcp6", strings.ToLower(s), nil
	case err != nil:
		return "tcp", strings.ToLower(s), nil
	case addr.Is4() && bracketed:
		return "", "", errors.New("has an IPv4 address in brackets, which are for IPv6")
	case addr.Unmap().Is4() && scheme == "inet6":
		return "", "", errors.New("has an IPv4 address where inet6 wants an IPv6 one")
	case addr.Unmap().Is4():
		return "tcp4", addr.Unmap().String(), nil
	}
	return "tcp6", addr.String(), nil
}

// isHostName reports whether s can be a host's name: letters, digits, hyphens
// and dots (RFC 1123, section 2.1), and the underscores that are in use. One of
// digits and dots alone is a mistyped address.
func isHostName(s string) bool {
	letters := false
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
			letters = true
		case '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return letters && s[0] != '-' && s[0] != '.' && !strings.Contains(s, "..") && len(s) <= 253
}

// String is the address in its canonical spelling, which [ParseAddress] reads.
func (a Address) String() string {
	switch a.Network {
	case "unix", "systemd":
		return a.Network + ":" + a.Addr
	case "tcp6":
		return "inet6:" + a.Addr
	}
	return "inet:" + a.Addr
}
