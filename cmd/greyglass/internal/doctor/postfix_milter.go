package doctor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// checkMilters checks whether and how a service asks Greyglass as a milter.
func (v *exam) checkMilters(ctx context.Context, p *postfix, s service) (asks bool) {
	if local := s.main["non_smtpd_milters"]; slices.ContainsFunc(elements(local), func(element string) bool {
		_, _, found := p.ours(ctx, v, byMilter, s, parseTarget(element))
		return found
	}) {
		v.warn("take it out of non_smtpd_milters; smtpd_milters is enough", "asks also about mail of this machine's own (non_smtpd_milters), which is not greylisted anyway")
	}
	milters := elements(s.value("smtpd_milters"))
	for i, element := range milters {
		t := parseTarget(element)
		a, unreachable, found := p.ours(ctx, v, byMilter, s, t)
		if !found {
			continue
		}
		if strings.Contains(s.value("receive_override_options"), "no_milters") {
			v.wrong("take no_milters out of receive_override_options (in main.cf, or by -o below smtpd in master.cf)", "names Greyglass in smtpd_milters, but receive_override_options = no_milters keeps it from asking")
			return false
		}
		v.ok("asks Greyglass as a milter (smtpd_milters: %s)", t.address)
		p.checkReach(v, byMilter, a, unreachable)
		v.checkMilterFailure(s, t)
		if i > 0 {
			v.warn(v.askFirst(t.address), "asks %d other milter(s) before Greyglass (%s), which work for mail that is then deferred", i, addressesOf(milters[:i]))
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
	fix := v.askFirst(t.address)
	switch action := s.setting(t, "default_action", "milter_default_action"); action {
	case "accept":
		v.ok("mail goes on when Greyglass is down (milter_default_action = accept)")
	case "shutdown":
		v.wrong(fix, "sessions are closed when Greyglass is down (milter_default_action = shutdown)")
	default:
		v.wrong(fix, "mail is held up when Greyglass is down (milter_default_action = %s)", action)
	}
}

// askFirst returns the command by which Postfix asks Greyglass before its other milters,
// whose settings stay, and accepts mail while Greyglass is down.
func (v *exam) askFirst(ours string) string {
	milters := []string{"{ " + ours + ", default_action=accept }"}
	for _, element := range v.milters {
		if parseTarget(element).address != ours {
			milters = append(milters, element)
		}
	}
	folder := ""
	if v.PostfixConfig != "" {
		folder = "-c " + v.PostfixConfig + " "
	}
	return fmt.Sprintf("postconf %s-e 'smtpd_milters = %s' && postfix %sreload", folder, strings.Join(milters, ", "), folder)
}

func addressesOf(milters []string) string {
	var all []string
	for _, element := range milters {
		all = append(all, parseTarget(element).address)
	}
	return strings.Join(all, ", ")
}
