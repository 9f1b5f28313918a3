package config

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"greyglass/milter/listen"
)

// check finds conflicts between the values of different keys.
func (m merged) check(problems *Problems) {
	g := &m.config.Greylist
	maxKnown := !problems.about(maxKey)
	for _, lower := range []struct {
		key   string
		value any
		above bool
	}{
		{"greylist.too_soon", g.TooSoon, g.TooSoon > g.MaxDeferTime},
		{"greylist.min_defer_time", g.MinDeferTime, g.MinDeferTime > g.MaxDeferTime},
	} {
		if lower.above && maxKnown && !problems.about(lower.key) {
			problems.add(m.windowsCross(lower.key, spell(lower.value), spell(g.MaxDeferTime)))
		}
	}
	m.checkReplies(problems)
	m.checkRules(problems)
	m.checkProving(problems)
	m.checkOutbound(problems)
	m.checkListeners(problems)
	m.checkHTTPPublic(problems)
	m.checkWeb(problems)
}

const maxKey = "greylist.max_defer_time"

// windowsCross reports a conflict of two windows at the one that the administrator has
// set.
func (m merged) windowsCross(key, value, most string) Problem {
	where := m.origins[key]
	if where.builtIn() {
		where = m.origins[maxKey]
		return Problem{where.String(), maxKey, most, fmt.Sprintf("below %s = %s, so that no triplet could ever pass", key, value), "raise it, or lower " + key}
	}
	return Problem{where.String(), key, value, fmt.Sprintf("above %s = %s, so that no triplet could ever pass", maxKey, most), "lower it, or raise " + maxKey}
}

// checkListeners finds addresses that are used twice. Port 0 is a different port each
// time.
func (m merged) checkListeners(problems *Problems) {
	taken := make(map[string]string) // address to key
	listen := func(key string, index int, spelled string) {
		written := spelled
		if key == "listen.http" || key == webListenKey {
			spelled = asInet(spelled)
		}
		address, err := listen.ParseAddress(spelled)
		if err != nil || strings.HasSuffix(address.Addr, ":0") {
			return
		}
		name := key
		if index != whole {
			name = fmt.Sprintf("%s[%d]", key, index)
		}
		if first, ok := taken[address.String()]; ok {
			where := m.origins[key].entry(index).String()
			problems.add(Problem{where, name, quote(written), "the same address as " + first, "choose another, or remove one of them"})
			return
		}
		taken[address.String()] = name
	}
	for i, s := range m.config.Listen.Milter {
		listen("listen.milter", i, s)
	}
	for i, s := range m.config.Listen.Policy {
		listen("listen.policy", i, s)
	}
	if http := m.config.Listen.HTTP; http != "" {
		listen("listen.http", whole, http)
	}
	if web := m.config.Web.Listen; web != "" {
		listen(webListenKey, whole, web)
	}
}

// checkHTTPPublic reports a public address for HTTP without listen.http_public. A socket
// that systemd passes is checked when it is opened.
func (m merged) checkHTTPPublic(problems *Problems) {
	const key = "listen.http"
	l := &m.config.Listen
	host, _, err := net.SplitHostPort(l.HTTP)
	if l.HTTPPublic || problems.about(key) || err != nil || strings.HasPrefix(l.HTTP, systemdScheme) || isLoopback(host) {
		return
	}
	problems.add(Problem{m.origins[key].String(), key, quote(l.HTTP), "an address that other machines can reach, and there is no password",
		"choose 127.0.0.1, or set listen.http_public = true"})
}

// isLoopback reports whether a host to listen on can be reached from this machine only.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}
