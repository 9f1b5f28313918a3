package milter

import (
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/coreos/go-systemd/v22/activation"
)

// inherited are the sockets that systemd passed to the process, by name
// (sd_listen_fds(3), FileDescriptorName= in systemd.socket(5)).
var inherited = sync.OnceValues(activation.ListenersWithNames)

var (
	takenOver   = make(map[net.Listener]bool)
	takenOverMu sync.Mutex
)

// listenInherited takes over the socket that was passed under a name.
func listenInherited(a Address) (net.Listener, error) {
	fail := func(format string, args ...any) (net.Listener, error) {
		return nil, fmt.Errorf("cannot take over %s: %w", a, fmt.Errorf(format, args...))
	}
	byName, err := inherited()
	if err != nil {
		return fail("%w", err)
	}
	takenOverMu.Lock()
	defer takenOverMu.Unlock()
	switch passed := byName[a.Addr]; {
	case len(passed) == 0:
		return fail("systemd passed no socket of that name; set FileDescriptorName=%s in the socket unit", a.Addr)
	case len(passed) > 1:
		return fail("systemd passed %d sockets of that name; give each a socket unit and a FileDescriptorName= of its own", len(passed))
	case takenOver[passed[0]]:
		return fail("it is taken already; name each socket once")
	default:
		takenOver[passed[0]] = true
		return passed[0], nil
	}
}

// inheritedAt takes over the socket that was passed and listens at an address,
// and makes its permissions those that are configured. It is nil if there is none.
func inheritedAt(a Address, owner SocketOwner) (net.Listener, error) {
	byName, err := inherited()
	if err != nil {
		return nil, fmt.Errorf("cannot take over the sockets that systemd passed: %w", err)
	}
	takenOverMu.Lock()
	defer takenOverMu.Unlock()
	for _, passed := range byName {
		for _, l := range passed {
			if takenOver[l] || !listensAt(l, a) {
				continue
			}
			if a.Network == "unix" {
				if err := owner.apply(a.Addr); err != nil {
					return nil, fmt.Errorf("cannot take over %s from systemd: %w", a, err)
				}
			}
			takenOver[l] = true
			return l, nil
		}
	}
	return nil, nil
}

func listensAt(l net.Listener, a Address) bool {
	if a.Network == "unix" {
		return l.Addr().Network() == "unix" && l.Addr().String() == a.Addr
	}
	wanted, err := net.ResolveTCPAddr(a.Network, a.Addr)
	return err == nil && l.Addr().Network() == "tcp" && l.Addr().String() == wanted.String()
}

// NotTakenOver returns the addresses of the sockets that systemd passed and that
// nobody has taken over: whoever connects there waits for nothing.
func NotTakenOver() (addresses []string) {
	byName, _ := inherited() // an error was met by who listened
	takenOverMu.Lock()
	defer takenOverMu.Unlock()
	for _, passed := range byName {
		for _, l := range passed {
			if !takenOver[l] {
				addresses = append(addresses, l.Addr().String())
			}
		}
	}
	slices.Sort(addresses)
	return addresses
}
