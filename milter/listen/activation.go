package listen

import (
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/coreos/go-systemd/v22/activation"
)

// passed returns the sockets that systemd passed to the process, by name
// (sd_listen_fds(3), FileDescriptorName= in systemd.socket(5)).
var passed = sync.OnceValues(activation.ListenersWithNames)

var (
	inUse   = make(map[net.Listener]bool)
	inUseMu sync.Mutex
)

// passedNamed returns the socket that was passed under a name.
func passedNamed(a Address) (net.Listener, error) {
	fail := func(format string, args ...any) (net.Listener, error) {
		return nil, fmt.Errorf("cannot use %s: %w", a, fmt.Errorf(format, args...))
	}
	byName, err := passed()
	if err != nil {
		return fail("%w", err)
	}
	inUseMu.Lock()
	defer inUseMu.Unlock()
	switch sockets := byName[a.Addr]; {
	case len(sockets) == 0:
		return fail("systemd passed no socket of that name; set FileDescriptorName=%s in the socket unit", a.Addr)
	case len(sockets) > 1:
		return fail("systemd passed %d sockets of that name; give each a socket unit and a FileDescriptorName= of its own", len(sockets))
	case inUse[sockets[0]]:
		return fail("it is in use already; name each socket once")
	default:
		inUse[sockets[0]] = true
		return sockets[0], nil
	}
}

// passedAt returns the passed socket that listens at an address, with the configured
// permissions; nil if there is none.
func passedAt(a Address, owner SocketOwner) (net.Listener, error) {
	byName, err := passed()
	if err != nil {
		return nil, fmt.Errorf("cannot use the sockets that systemd passed: %w", err)
	}
	inUseMu.Lock()
	defer inUseMu.Unlock()
	for _, sockets := range byName {
		for _, l := range sockets {
			if inUse[l] || !listensAt(l, a) {
				continue
			}
			if a.Network == "unix" {
				if err := owner.apply(a.Addr); err != nil {
					return nil, fmt.Errorf("cannot use %s from systemd: %w", a, err)
				}
			}
			inUse[l] = true
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

// Unused returns the addresses of passed sockets that no listener uses: a client that
// connects there gets no answer.
func Unused() (addresses []string) {
	byName, _ := passed() // Listen has returned its error
	inUseMu.Lock()
	defer inUseMu.Unlock()
	for _, sockets := range byName {
		for _, l := range sockets {
			if !inUse[l] {
				addresses = append(addresses, l.Addr().String())
			}
		}
	}
	slices.Sort(addresses)
	return addresses
}
