package watch

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// Hosts are the names by which a server may be asked, besides the addresses of this machine.
type Hosts []string

// HostsOf returns localhost, the host of an address (HOST:PORT or systemd:NAME), the
// machine's name, and others.
func HostsOf(address string, others ...string) Hosts {
	names := Hosts{"localhost"}
	if host, _, err := net.SplitHostPort(address); err == nil {
		names = append(names, strings.ToLower(host))
	}
	if name, err := os.Hostname(); err == nil {
		names = append(names, strings.ToLower(name))
	}
	for _, name := range others {
		names = append(names, strings.ToLower(name))
	}
	return names
}

// Allow reports whether the Host of a request is this server's name or address. That
// stops DNS rebinding: a web page whose own name resolves to this machine.
func (names Hosts) Allow(r *http.Request) bool {
	host, addr := HostOf(r)
	host = unbracketed(host)
	if !addr.IsValid() {
		return slices.Contains(names, host)
	}
	if addr.IsLoopback() || slices.Contains(names, host) {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	here, err := netip.ParseAddrPort(local.String())
	return err == nil && here.Addr().Unmap().WithZone("") == addr.WithZone("")
}

// HostOf returns the Host of a request without its port, in lower case, and the address that
// it is, if it is one.
func HostOf(r *http.Request) (host string, addr netip.Addr) {
	host = r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(host)
	addr, _ = netip.ParseAddr(unbracketed(host))
	return host, addr.Unmap()
}

func unbracketed(host string) string { return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]") }
