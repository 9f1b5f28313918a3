package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"

	"greyglass/greylist/problem"
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
// The error is a [*problem.Error].
func ParseAddress(s string) (Address, error) {
	a, bad := parseAddress(s)
	if bad != nil {
		return Address{}, problem.Of(s, bad.Fix, bad.Detail)
	}
	return a, nil
}

func parseAddress(s string) (Address, *problem.Error) {
	if strings.ContainsRune(s, 0) {
		return Address{}, problem.New("remove it", "holds a NUL character")
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
	return Address{}, problem.New("write inet:127.0.0.1:8895, inet6:[::1]:8895, unix:/run/greyglass/milter.sock or systemd:NAME", "does not begin with a family")
}

func parseUnix(p string) (Address, *problem.Error) {
	switch {
	case p == "":
		return Address{}, problem.New("write unix:/run/greyglass/milter.sock", "has no path")
	case !strings.HasPrefix(p, "/"):
		return Address{}, problem.New("write it in full, as unix:/run/greyglass/milter.sock", "has a relative path")
	case strings.HasSuffix(p, "/"):
		return Address{}, problem.New("add the name of the socket, as in unix:/run/greyglass/milter.sock", "names a folder")
	}
	p = path.Clean(p)
	if len(p) > maxSocketPath {
		return Address{}, problem.New("choose a shorter one", "has a path of %d bytes, and unix sockets allow %d", len(p), maxSocketPath)
	}
	return Address{"unix", p}, nil
}

func parseSystemd(name string) (Address, *problem.Error) {
	const fix = "write the FileDescriptorName= of the socket unit, as in systemd:milter"
	if name == "" {
		return Address{}, problem.New(fix, "has no name")
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c > '~' || c == ':' {
			return Address{}, problem.New(fix, "has a name with %q in it, which systemd does not allow", c)
		}
	}
	if len(name) > maxSocketName {
		return Address{}, problem.New(fix, "has a name longer than %d bytes", maxSocketName)
	}
	return Address{"systemd", name}, nil
}

// parseInet reads what follows "inet:" or "inet6:".
func parseInet(scheme, s string) (Address, *problem.Error) {
	loopback := "127.0.0.1"
	if scheme == "inet6" {
		loopback = "[::1]"
	}
	example := fmt.Sprintf("%s:%s:8895", scheme, loopback)
	port, host, reversed := strings.Cut(s, "@")
	if !reversed {
		i := strings.LastIndexByte(s, ':')
		if _, err := strconv.ParseUint(s, 10, 16); err == nil {
			return Address{}, problem.New(fmt.Sprintf("write %s:%s:%s, or 0.0.0.0 or [::] as the host to listen on all interfaces", scheme, loopback, s), "has no host")
		}
		if i < 0 || strings.HasSuffix(s, "]") {
			return Address{}, problem.New("write "+example, "has no port")
		}
		host, port = s[:i], s[i+1:]
		if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
			return Address{}, problem.New("write inet6:[::1]:8895", "has an IPv6 address without brackets")
		}
	}
	if host == "" {
		return Address{}, problem.New("write "+example+", or 0.0.0.0 or [::] as the host to listen on all interfaces", "has no host")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Address{}, problem.New("write a number from 0 to 65535, as in "+example, "has %q for a port", port)
	}
	network, host, err := parseHost(scheme, host)
	if err != nil {
		return Address{}, problem.New("write "+example, "%v", err)
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
