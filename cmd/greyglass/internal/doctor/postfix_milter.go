package doctor

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// checkMilters checks whether and how a service asks Greyglass as a milter.
func (v *exam) checkMilters(ctx context.Context, p *postfix, s service) (asks bool) {
	ours := func(element string) bool {
		_, _, found := p.ours(ctx, v, byMilter, s, parseTarget(element))
		return found
	}
	if local := s.main["non_smtpd_milters"]; slices.ContainsFunc(elements(local), ours) {
		v.warn(v.setOne(service{}, "non_smtpd_milters", without(local, ours)), "asks also about mail of this machine's own (non_smtpd_milters), which is not greylisted anyway")
	}
	milters := elements(s.value("smtpd_milters"))
	for i, element := range milters {
		t := parseTarget(element)
		a, unreachable, found := p.ours(ctx, v, byMilter, s, t)
		if !found {
			continue
		}
		if options := s.value("receive_override_options"); strings.Contains(options, "no_milters") {
			v.wrong(v.setOne(s, "receive_override_options", without(options, func(option string) bool { return option == "no_milters" })), "names Greyglass in smtpd_milters, but receive_override_options = no_milters keeps it from asking")
			return false
		}
		v.ok("asks Greyglass as a milter (smtpd_milters: %s)", t.address)
		p.checkReach(v, byMilter, a, unreachable)
		v.checkMilterFailure(s, t)
		if i > 0 {
			v.warn(v.askFirst(t.address, s), "asks %d other milter(s) before Greyglass (%s), which work for mail that is then deferred", i, addressesOf(milters[:i]))
		} else if len(milters) > 1 {
			v.ok("asks Greyglass before other milters")
		}
		if n, err := strconv.Atoi(s.setting(t, "protocol", "milter_protocol")); err == nil && n < 6 {
			v.warn("remove milter_protocol from main.cf, and protocol= from smtpd_milters", "milter_protocol = %d keeps Greyglass from asking for all that Postfix knows, such as who has logged in", n)
		}
		return true
	}
	return false
}

// checkMilterFailure checks what happens to mail while the daemon is down.
func (v *exam) checkMilterFailure(s service, t target) {
	fix := v.askFirst(t.address, s)
	switch action := s.setting(t, "default_action", "milter_default_action"); action {
	case "accept":
		v.ok("mail goes on when Greyglass is down (milter_default_action = accept)")
	case "shutdown":
		v.wrong(fix, "sessions are closed when Greyglass is down (milter_default_action = shutdown)")
	default:
		v.wrong(fix, "mail is held up when Greyglass is down (milter_default_action = %s)", action)
	}
}

// askFirst returns the command by which services of Postfix ask Greyglass before their
// other milters, whose settings stay, and accept mail while Greyglass is down.
func (v *exam) askFirst(ours string, services ...service) string {
	return v.set(services, func(s service) []setting {
		others := without(s.value("smtpd_milters"), func(element string) bool { return parseTarget(element).address == ours })
		first := "{ " + ours + ", default_action=accept }"
		if others != "" {
			first += ", " + others
		}
		return []setting{{"smtpd_milters", first}}
	})
}

func addressesOf(milters []string) string {
	var all []string
	for _, element := range milters {
		all = append(all, parseTarget(element).address)
	}
	return strings.Join(all, ", ")
}
