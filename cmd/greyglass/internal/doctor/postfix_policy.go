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
	element     string // as it stands there
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
				q := question{list: list, element: words[i+1], target: parseTarget(words[i+1]), reached: reached, guarded: guarded, permitted: permitted}
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
			v.wrong(v.askRecipients(s, second[0]), "asks Greyglass only in %s, and never about a recipient", second[0].list)
		}
		return len(second) > 0, false
	}
	q := first[0]
	v.ok("asks Greyglass as a policy service (%s: check_policy_service %s)", q.list, q.target.address)
	p.checkReach(v, byPolicy, q.address, q.unreachable)
	v.checkPlace(s, q)
	v.checkSecond(s, q, second)
	v.checkPolicyFailure(s, q.target)
	return true, slices.ContainsFunc(slices.Concat(first, second), func(q question) bool { return q.reached && !q.permitted })
}

// ownClients are let through before a policy service is asked.
const ownClients = "permit_mynetworks, permit_sasl_authenticated"

// askRecipients returns the command by which a service asks a question once for each
// recipient, behind everything that refuses mail. A question in a class stays there.
func (v *exam) askRecipients(s service, q question) string {
	const recipients = "smtpd_recipient_restrictions"
	return v.set([]service{s}, func(s service) (all []setting) {
		if q.list != recipients && slices.Contains(s.atRecipient(), q.list) {
			all = append(all, setting{q.list, notAsking(s.value(q.list), q.element)})
		}
		return append(all, setting{recipients, asking(s.value(recipients), q.element, ownClients)})
	})
}

// checkPlace checks the place of the first question in its list.
func (v *exam) checkPlace(s service, q question) {
	fix := v.askRecipients(s, q)
	if direct := restrictionsOf(s.value(q.list)); !slices.ContainsFunc(direct, func(r restriction) bool { return r.policy == q.element }) {
		fix = "put check_policy_service " + q.element + " at the end of smtpd_recipient_restrictions instead of into a restriction class"
	}
	switch {
	case !q.reached:
		v.wrong(fix, "the question is never reached: a permit, reject or defer stands before it in %s", q.list)
	case q.onlyWarns:
		v.wrong(fix, "the answer is only logged, because warn_if_reject stands before the question in %s", q.list)
	case !q.guarded:
		v.wrong(fix, "the question stands before reject_unauth_destination, so that Greyglass stores mail that is refused anyway (%s)", q.list)
	case q.ahead && v.config.Learn.Outbound:
		v.ok("asks about mail of your users too, for learn.outbound (in %s, before reject_unauth_destination; an earlier list refuses relaying)", q.list)
	case q.ahead:
		v.warn(fix, "the question stands before reject_unauth_destination in %s; that does no harm for as long as an earlier list refuses such mail", q.list)
	default:
		v.ok("asks only about mail for this machine's own domains (after reject_unauth_destination)")
	}
}

// checkSecond checks the question at DATA.
func (v *exam) checkSecond(s service, first question, second []question) {
	const data = "smtpd_data_restrictions"
	i := slices.IndexFunc(second, func(q question) bool { return q.reached && !q.onlyWarns })
	if i < 0 {
		v.wrong(v.setOne(s, data, asking(s.value(data), first.element, ownClients)),
			"mail from the null sender (bounces, and spam that looks like them) is never greylisted, because it is not asked about again at DATA")
		return
	}
	v.ok("asks again at DATA, so that bounces are greylisted (%s)", second[i].list)
}

// checkPolicyFailure checks what happens to mail while the daemon is down or hangs.
func (v *exam) checkPolicyFailure(s service, t target) {
	fix := func(name, parameter, value string) string {
		if _, ok := t.settings[name]; ok {
			return "write " + name + "=" + value + " in the braces after check_policy_service, then 'postfix reload'"
		}
		return v.setOne(s, parameter, value)
	}
	const actionOf, timeoutOf = "smtpd_policy_service_default_action", "smtpd_policy_service_timeout"
	action := s.setting(t, "default_action", actionOf)
	word, _, _ := strings.Cut(strings.ToUpper(action), " ")
	if slices.Contains([]string{"DUNNO", "OK", "PERMIT", "INFO", "WARN"}, word) {
		v.ok("mail goes on when Greyglass is down (%s = %s)", actionOf, action)
	} else {
		v.wrong(fix("default_action", actionOf, "DUNNO"), "mail is held up when Greyglass is down (%s = %s)", actionOf, action)
	}
	const longest = 30 * time.Second
	if timeout, ok := postfixTime(s.setting(t, "timeout", timeoutOf)); ok && timeout > longest {
		v.warn(fix("timeout", timeoutOf, "5s"), "a hanging Greyglass would hold up each recipient for %v, twice", timeout)
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
