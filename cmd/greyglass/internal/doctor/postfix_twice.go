package doctor

import (
	"context"
	"strings"
)

// greylisters are other greylisting programs, by the ports and paths at which they listen
// unless they are told otherwise.
var greylisters = []struct{ name, at string }{
	{"postgrey", ":10023"},
	{"postgrey", "postgrey"},
	{"sqlgrey", ":2501"},
	{"sqlgrey", "sqlgrey"},
	{"milter-greylist", "milter-greylist"},
}

func greylister(address string) string {
	for _, g := range greylisters {
		if strings.HasSuffix(address, g.at) || strings.HasPrefix(address, "unix:") && strings.Contains(address, g.at) {
			return g.name
		}
	}
	return ""
}

// checkTwice checks that a service that asks Greyglass asks no other greylisting program.
func (v *exam) checkTwice(ctx context.Context, p *postfix, s service) {
	const detail = "asks %s too (%s: %s), so that mail waits twice"
	for _, list := range append(s.atRecipient(), "smtpd_data_restrictions", "smtpd_end_of_data_restrictions") {
		for _, r := range restrictionsOf(s.value(list)) {
			t := parseTarget(r.policy)
			if _, _, ours := p.ours(ctx, v, byPolicy, s, t); ours {
				continue
			}
			if name := greylister(t.address); name != "" {
				v.warn(v.setOne(s, list, notAsking(s.value(list), r.policy)), detail, name, list, t.address)
			}
		}
	}
	milters := s.value("smtpd_milters")
	for _, element := range elements(milters) {
		if name := greylister(parseTarget(element).address); name == "milter-greylist" {
			others := without(milters, func(one string) bool { return one == element })
			v.warn(v.setOne(s, "smtpd_milters", others), detail, name, "smtpd_milters", parseTarget(element).address)
		}
	}
}
