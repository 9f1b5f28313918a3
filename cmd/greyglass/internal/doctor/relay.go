package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"greyglass/greylist/address"
)

// relayClients are the clients whose mail a mail server relays: the site's own. Greyglass
// must accept them, too, because scanners and applications do not retry.
type relayClients struct {
	networks []netip.Prefix
	names    []string // other entries: hosts, tables
	from     string   // where they are configured
	instead  string   // an alternative in the mail server
}

// checkRelayClients compares relay clients with the clients that Greyglass accepts.
func (v *exam) checkRelayClients(r relayClients) {
	var missing []string
	for _, p := range r.networks {
		if !p.Addr().IsLoopback() && !v.accepts(p) {
			missing = append(missing, p.String())
		}
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	switch {
	case len(missing) > 0:
		v.wrong(v.allowing(missing)+r.instead,
			"relays mail of %s (%s), which Greyglass would greylist: mail of programs that do not retry is lost", strings.Join(missing, ", "), r.from)
	case len(r.names) > 0:
		v.warn("see that rules.allowed_senders or rules.allowed_sender_nets has the addresses of these clients"+r.instead,
			"relays mail of clients that are not given by address (%s: %s); Greyglass greylists them unless it is told their addresses", r.from, strings.Join(r.names, ", "))
	default:
		v.ok("relays mail only of clients that Greyglass accepts (%s)", r.from)
	}
}

// accepts reports whether Greyglass accepts all mail of these clients.
func (v *exam) accepts(clients netip.Prefix) bool {
	return slices.ContainsFunc(slices.Concat(v.config.Rules.AllowedSenders, v.config.Rules.AllowedSenderNets), func(s string) bool {
		a, err := address.ParsePrefix(s)
		return err == nil && a.Bits() <= clients.Bits() && a.Contains(clients.Addr())
	})
}

// allowing says how Greyglass is told to accept these clients, too.
func (v *exam) allowing(clients []string) string {
	var entries []string
	for _, s := range slices.Concat(v.config.Rules.AllowedSenderNets, clients) {
		entries = append(entries, strconv.Quote(s))
	}
	return fmt.Sprintf("write 'allowed_sender_nets = [%s]' below [rules] in %s, and 'systemctl reload greyglass'", strings.Join(entries, ", "), v.ConfigFile)
}

// add adds an entry of a mail server's list: an address or a network, an IPv6 address
// with or without brackets.
func (r *relayClients) add(pattern string) {
	bare := strings.NewReplacer("[", "", "]", "").Replace(pattern)
	if p, err := address.ParsePrefix(bare); err == nil {
		r.networks = append(r.networks, p)
		return
	}
	if pattern != "localhost" {
		r.names = append(r.names, pattern)
	}
}

// postfixNetworks reads mynetworks (postconf(5)): networks, files of networks, and
// tables. It ignores exceptions, which begin with "!".
func (m Machine) postfixNetworks(list string, depth int) (r relayClients) {
	r.from, r.instead = "mynetworks", "; or have Postfix not ask about them, by permit_mynetworks before each check_policy_service or smtpd_milter_maps (Postfix 3.2 and later)"
	for _, element := range elements(list) {
		switch {
		case strings.HasPrefix(element, "!"):
		case strings.HasPrefix(element, "/") && depth < 3:
			text, err := m.readFile(element)
			if err != nil {
				r.names = append(r.names, element)
				continue
			}
			more := m.postfixNetworks(withoutComments(text), depth+1)
			r.networks, r.names = append(r.networks, more.networks...), append(r.names, more.names...)
		default:
			r.add(element)
		}
	}
	return r
}

// withoutComments removes the lines that begin with "#".
func withoutComments(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// sendmailNetworks reads the RELAY entries of an access map (cf/README, "ACCESS
// DATABASE"): those by address, and those by name with the tag Connect: (names without
// a tag may be recipients' domains). The entries of class R (relay-domains) have no tag.
func sendmailNetworks(access, relays string) (r relayClients) {
	r.from = "RELAY in the access map"
	for line := range strings.Lines(withoutComments(relays)) {
		access += "\n" + strings.TrimSpace(line) + " RELAY"
	}
	for line := range strings.Lines(withoutComments(access)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || !strings.EqualFold(fields[1], "RELAY") {
			continue
		}
		client, tagged := fields[0], false
		if tag, rest, ok := strings.Cut(client, ":"); ok && strings.EqualFold(tag, "Connect") {
			client, tagged = rest, true
		}
		if groups, ok := strings.CutPrefix(strings.ToLower(client), "ipv6:"); ok {
			client = groups
			if n := strings.Count(groups, ":") + 1; n < 8 && !strings.Contains(groups, "::") {
				client = fmt.Sprintf("%s::/%d", groups, 16*n)
			}
		}
		known := len(r.names)
		if r.add(client); !tagged {
			r.names = r.names[:known]
		}
	}
	return r
}

// eximNetworks reads the host list relay_from_hosts (Exim's specification, chapter 10).
// Its separator is a colon, which is doubled in elements, or the character after "<" at
// the beginning.
func eximNetworks(configuration string) (r relayClients) {
	r.from = "relay_from_hosts"
	for line := range strings.Lines(configuration) {
		name, list, ok := strings.Cut(line, "=")
		if fields := strings.Fields(name); !ok || len(fields) != 2 || fields[0] != "hostlist" || fields[1] != "relay_from_hosts" {
			continue
		}
		separator := ":"
		if list = strings.TrimSpace(list); strings.HasPrefix(list, "<") && len(list) > 1 {
			separator, list = list[1:2], list[2:]
		}
		const doubled = "\x00"
		for element := range strings.SplitSeq(strings.ReplaceAll(list, separator+separator, doubled), separator) {
			element = strings.TrimSpace(strings.ReplaceAll(element, doubled, separator))
			if element != "" && !strings.HasPrefix(element, "!") && element != "@" && element != "@[]" {
				r.add(element)
			}
		}
		return r
	}
	return r
}
