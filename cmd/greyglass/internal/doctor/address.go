package doctor

import (
	"context"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"greyglass/milter/listen"
)

// protocol is a front end, and its key in [listen].
type protocol string

const (
	byMilter protocol = "milter"
	byPolicy protocol = "policy"
)

// listens returns the addresses on which the daemon should listen, if they are known.
func (v *exam) listens(p protocol) (ours []listen.Address) {
	spelled := v.config.Listen.Milter
	if p == byPolicy {
		spelled = v.config.Listen.Policy
	}
	for _, s := range spelled {
		a, err := listen.ParseAddress(s)
		if err == nil && a.Network == "systemd" {
			a, err = v.Machine.passedBySystemd(a)
		}
		if err == nil {
			ours = append(ours, a)
		}
	}
	return ours
}

// ours returns the daemon's address that a mail server's address leads to.
func (v *exam) ours(ctx context.Context, p protocol, theirs listen.Address) (listen.Address, bool) {
	for _, a := range v.listens(p) {
		if v.Machine.same(ctx, a, theirs) {
			return a, true
		}
	}
	return listen.Address{}, false
}

// same reports whether a connection to theirs reaches a listener on ours.
func (m Machine) same(ctx context.Context, ours, theirs listen.Address) bool {
	if ours.Network == "unix" || theirs.Network == "unix" {
		return ours.Network == theirs.Network && m.resolve(ours.Addr) == m.resolve(theirs.Addr)
	}
	ourHost, ourPort, err1 := net.SplitHostPort(ours.Addr)
	theirHost, theirPort, err2 := net.SplitHostPort(theirs.Addr)
	if err1 != nil || err2 != nil || ourPort != theirPort {
		return false
	}
	if ourHost == theirHost {
		return true
	}
	addresses := m.addresses(ctx, theirHost)
	return slices.ContainsFunc(m.addresses(ctx, ourHost), func(a netip.Addr) bool {
		return a.IsUnspecified() || slices.Contains(addresses, a)
	})
}

// resolve resolves the symbolic links of a path, such as /var/run. The socket itself
// need not exist.
func (m Machine) resolve(path string) string {
	folder, err := filepath.EvalSymlinks(m.path(filepath.Dir(path)))
	if err != nil {
		return m.path(path)
	}
	return filepath.Join(folder, filepath.Base(path))
}

// addresses returns the addresses of a host.
func (m Machine) addresses(ctx context.Context, host string) (all []netip.Addr) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}
	}
	if strings.EqualFold(host, "localhost") {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	names, _ := m.LookUp(ctx, host)
	for _, name := range names {
		if a, err := netip.ParseAddr(name); err == nil {
			all = append(all, a.Unmap())
		}
	}
	return all
}

// suggested returns the best address for a mail server: inet for one that may be
// chrooted, else unix.
func (v *exam) suggested(p protocol, network string) string {
	listens := v.listens(p)
	for _, a := range listens {
		if strings.HasPrefix(a.Network, network) {
			return a.String()
		}
	}
	if len(listens) > 0 {
		return listens[0].String()
	}
	return "the address of listen." + string(p)
}
