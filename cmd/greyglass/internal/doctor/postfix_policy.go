package doctor

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"greyglass/milter/listen"
)

// question is a check_policy_service that asks Greyglass.
type question struct {
	list        string // its parameter
	target      target
	address     listen.Address
	unreachable bool

	reached   bool // no unconditional restriction stands before it in its list
	onlyWarns bool // after warn_if_reject
	guarded   bool // a restriction before it, in any list, refuses relaying
	permitted bool // permit_mynetworks stands before it in its list
	ahead     bool // in its own list, the check against relaying comes after it
}

// relayGuards are the restrictions that refuse relaying (postconf(5)).
var relayGuards = []string{"reject_unauth_destination", "defer_unauth_destination"}

// questions finds the questions to Greyglass in lists of restrictions, in order.
func (p *postfix) questions(ctx context.Context, v *exam, s service, lists ...string) (all []question) {
	guarded := false
	for _, list := range lists {
		reached, permitted, first := true, false, len(all)
		words := s.restrictions(s.value(list), 0)
		for i, word := range words {
			switch {
			case word == "check_policy_service" && i+1 < len(words):
				q := question{list: list, target: parseTarget(words[i+1]), reached: reached, guarded: guarded, permitted: permitted}
				q.onlyWarns = i > 0 && words[i-1] == "warn_if_reject"
				var found bool
				if q.address, q.unreachable, found = p.ours(ctx, v, byPolicy, s, q.target); found {
					all = append(all, q)
				}
			case word == "permit_mynetworks":
				permitted = true
			case slices.Contains(relayGuards, word):
				guarded = true
				for j := first; j < len(all); j++ {
					all[j].ahead = true
				}
			case slices.Contains([]string{"permit", "reject", "defer"}, word):
				reached = false
			}
		}
	}
	return all
}

// restrictions returns the words of a list, with restriction classes expanded.
func (s service) restrictions(list string, depth int) (words []string) {
	classes := elements(s.value("smtpd_restriction_classes"))
	for _, word := range elements(list) {
		if slices.Contains(classes, word) && depth < 10 {
			words = append(words, s.restrictions(s.value(word), depth+1)...)
		} else {
			words = append(words, word)
		}
	}
	return words
}

// atRecipient returns the lists that Postfix evaluates at RCPT, in order (postconf(5),
// smtpd_delay_reject and smtpd_relay_before_recipient_restrictions).
func (s service) atRecipient() (lists []string) {
	if s.value("smtpd_delay_reject") != "no" {
		lists = []string{"smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions"}
	}
	if s.value("smtpd_relay_before_recipient_restrictions") == "no" {
		return append(lists, "smtpd_recipient_restrictions", "smtpd_relay_restrictions")
	}
	return append(lists, "smtpd_relay_restrictions", "smtpd_recipient_restrictions")
}

// checkPolicy checks whether and how a service asks Greyglass as a policy service, and
// returns whether it also asks about mail of its relay clients.
func (v *exam) checkPolicy(ctx context.Context, p *postfix, s service) (asks, ofRelayClients bool) {
	first := p.questions(ctx, v, s, s.atRecipient()...)
	second := p.questions(ctx, v, s, "smtpd_data_restrictions", "smtpd_end_of_data_restrictions")
	if len(first) == 0 {
		if len(second) > 0 {
			v.wrong("put check_policy_service "+second[0].target.address+" at the end of smtpd_recipient_restrictions too", "asks Greyglass only in %s, and never about a recipient", second[0].list)
		}
		return len(second) > 0, false
	}
	q := first[0]
	v.ok("asks Greyglass as a policy service (%s: check_policy_service %s)", q.list, q.target.address)
	p.checkReach(v, byPolicy, q.address, q.unreachable)
	v.checkPlace(q)
	v.checkSecond(q, second)
	v.checkPolicyFailure(s, q.target)
	return true, slices.ContainsFunc(slices.Concat(first, second), func(q question) bool { return q.reached && !q.permitted })
}

// checkPlace checks the place of the first question in its list.
func (v *exam) checkPlace(q question) {
	ask := "check_policy_service " + q.target.address
	switch {
	case !q.reached:
		v.wrong("put "+ask+" before it", "the question is never reached: a permit, reject or defer stands before it in %s", q.list)
	case q.onlyWarns:
		v.wrong("remove warn_if_reject before "+ask, "the answer is only logged, because warn_if_reject stands before the question in %s", q.list)
	case !q.guarded:
		v.wrong("put "+ask+" at the end of smtpd_recipient_restrictions, after reject_unauth_destination; then 'postfix reload'",
			"the question stands before reject_unauth_destination, so that Greyglass stores mail that is refused anyway (%s)", q.list)
	case q.ahead && v.config.Learn.Outbound:
		v.ok("asks about mail of your users too, for learn.outbound (in %s, before reject_unauth_destination; an earlier list refuses relaying)", q.list)
	case q.ahead:
		v.warn("put "+ask+" at the end of the list, after reject_unauth_destination",
			"the question stands before reject_unauth_destination in %s; that does no harm for as long as an earlier list refuses such mail", q.list)
	default:
		v.ok("asks only about mail for this machine's own domains (after reject_unauth_destination)")
	}
}

// checkSecond checks the question at DATA.
func (v *exam) checkSecond(first question, second []question) {
	i := slices.IndexFunc(second, func(q question) bool { return q.reached && !q.onlyWarns })
	if i < 0 {
		v.wrong("add smtpd_data_restrictions = permit_mynetworks, check_policy_service "+first.target.address+" to main.cf, before any permit there; then 'postfix reload'",
			"mail from the null sender (bounces, and spam that looks like them) is never greylisted, because it is not asked about again at DATA")
		return
	}
	v.ok("asks again at DATA, so that bounces are greylisted (%s)", second[i].list)
}

// checkPolicyFailure checks what happens to mail while the daemon is down or hangs.
func (v *exam) checkPolicyFailure(s service, t target) {
	action := s.setting(t, "default_action", "smtpd_policy_service_default_action")
	word, _, _ := strings.Cut(strings.ToUpper(action), " ")
	if slices.Contains([]string{"DUNNO", "OK", "PERMIT", "INFO", "WARN"}, word) {
		v.ok("mail goes on when Greyglass is down (smtpd_policy_service_default_action = %s)", action)
	} else {
		v.wrong("set smtpd_policy_service_default_action = DUNNO in main.cf, then 'postfix reload'",
			"mail is held up when Greyglass is down (smtpd_policy_service_default_action = %s)", action)
	}
	const longest = 30 * time.Second
	if timeout, ok := postfixTime(s.setting(t, "timeout", "smtpd_policy_service_timeout")); ok && timeout > longest {
		v.warn("set smtpd_policy_service_timeout = 5s in main.cf", "a hanging Greyglass would hold up each recipient for %v, twice", timeout)
	}
}

// postfixTime reads a time: a number and s, m, h, d or w; seconds without one.
func postfixTime(text string) (time.Duration, bool) {
	unit := time.Second
	if text != "" {
		if u, ok := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[text[len(text)-1]]; ok {
			unit, text = u, text[:len(text)-1]
		}
	}
	n, err := strconv.Atoi(text)
	return time.Duration(n) * unit, err == nil
}
