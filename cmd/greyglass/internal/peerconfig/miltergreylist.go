package peerconfig

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"greyglass/greylist/address"
)

// greylistConf is what milter-greylist's configuration says beside its access lists.
type greylistConf struct {
	exactDomains bool
	extended     bool
	lists        map[string][]word   // the words between the braces
	listOf       map[string]string   // the clause that they stand for
	zones        map[string][]string // of DNS lists, and the answer that counts
}

// notNeeded are settings of the program itself.
var notNeeded = regexp.MustCompile(`(?i)^(pidfile|socket|dumpfile|dumpfreq|dump_no_time_translation|user|nodetach|verbose|logfac|logexpired|stat|maxpeek|syncaddr|syncsrcaddr|localaddr|extendedregex|domainexact|delayedreject|geoipdb|p0fsock|spamdsock):?$`)

var whyNot = map[string]string{
	"peer":       "daemons share a PostgreSQL database in the place of peers: see contrib/postgres",
	"report":     `greylist.header = true adds a header field`,
	"dacl":       "Greyglass does not look at the content of messages",
	"quiet":      `leave {wait} out of greylist.reply`,
	"noauth":     "who has authenticated is always accepted",
	"nospf":      "SPF counts only where a rule asks for it",
	"noaccessdb": "there is no access database",
	"lazyaw":     "learn.proven_after accepts clients by themselves",
	"sm_macro":   "macros of Sendmail are no facts",
	"urlcheck":   "there is no question to other servers but DNS",
	"ldapcheck":  "there is no question to other servers but DNS",
	"ldapconf":   "there is no question to other servers but DNS",
	"testmode":   `greylist.mode = "observe" tests`,
	"multiracl":  "the first rule that holds answers",
	"nodrac":     "there is no DRAC",
	"drac":       "there is no DRAC",
	"tarpit":     "nothing is tarpitted",
}

// greylistDefaults are those of milter-greylist, in seconds. It does not restart a wait.
var greylistDefaults = map[string]setting{"too_soon": {}, "min_defer_time": {value: 1800}, "max_defer_time": {value: 5 * 24 * 3600}, "max_grey": {value: 24 * 3600}}

func (c *conversion) milterGreylist(lines []line) {
	c.settings = maps.Clone(greylistDefaults)
	conf := &greylistConf{lists: map[string][]word{}, listOf: map[string]string{}, zones: map[string][]string{}}
	statements := make([][]word, 0, len(lines))
	lines = joined(lines)
	for _, l := range lines { // some hold for lines before them, too
		all, err := words(l.text)
		if err != nil {
			c.no(l, err.Error())
		}
		if len(all) > 0 {
			conf.exactDomains = conf.exactDomains || all[0].is("domainexact")
			conf.extended = conf.extended || all[0].is("extendedregex")
		}
		statements = append(statements, all)
	}
	for i, s := range statements {
		if len(s) == 0 {
			continue
		}
		if err := c.statement(conf, lines[i], s); err != nil {
			c.no(lines[i], err.Error())
		}
	}
	c.checkDelays()
}

// checkDelays removes delays that are longer than a triplet waits: by them none could
// ever pass. Of a delay and a timeout, first the delay becomes the default.
func (c *conversion) checkDelays() {
	const why = "the delay is longer than timeout, so that nothing could ever pass"
	for _, key := range []string{"min_defer_time", "max_defer_time"} {
		s := c.settings[key]
		if s.n == 0 || c.settings["min_defer_time"].value <= c.settings["max_defer_time"].value {
			continue
		}
		c.no(s.line, why)
		c.settings[key] = greylistDefaults[key]
	}
	most := c.settings["max_defer_time"].value
	for _, r := range c.rules {
		if r.windows["min_defer_time"] > most {
			c.no(r.line, why)
			delete(r.windows, "min_defer_time")
		}
	}
}

// statement converts a statement, or says why that cannot be.
func (c *conversion) statement(conf *greylistConf, l line, s []word) error {
	keyword := strings.ToLower(strings.TrimSuffix(s[0].text, ":"))
	switch keyword {
	case "racl", "acl":
		return c.accessList(conf, l, s[1:])
	case "addr", "from", "rcpt", "domain": // of old versions
		return c.accessList(conf, l, append([]word{{text: "whitelist"}}, s...))
	case "greylist", "autowhite", "timeout", "subnetmatch", "subnetmatch6":
		return c.setting(keyword, l, s)
	case "list":
		if len(s) < 5 || s[3].text != "{" || s[len(s)-1].text != "}" {
			return errors.New("it is no list")
		}
		conf.lists[s[1].text], conf.listOf[s[1].text] = s[4:len(s)-1], strings.ToLower(s[2].text)
		return nil
	case "dnsrbl":
		if len(s) < 4 {
			return errors.New("it is no list of the DNS")
		}
		conf.zones[s[1].text] = []string{s[2].text, s[3].text}
		return nil
	}
	if why := whyNot[keyword]; why != "" {
		return errors.New(why)
	}
	if notNeeded.MatchString(keyword) {
		return nil
	}
	return errors.New("there is nothing like it in Greyglass")
}

// setting converts a setting of all greylisting.
func (c *conversion) setting(keyword string, l line, s []word) error {
	if len(s) != 2 {
		return errors.New("it is no setting")
	}
	if bits, ok := strings.CutPrefix(s[1].text, "/"); ok || s[1].regexp {
		n, err := strconv.Atoi(bits)
		key, most := "client_prefix_ipv4", 32
		if keyword == "subnetmatch6" {
			key, most = "client_prefix_ipv6", 128
		}
		if err != nil || n < 1 || n > most || !strings.HasPrefix(keyword, "subnet") {
			return errors.New("it is no setting")
		}
		c.settings[key] = setting{int64(n), l}
		return nil
	}
	seconds, err := seconds(s[1].text)
	if err != nil || strings.HasPrefix(keyword, "subnet") {
		return errors.New("it is no setting")
	}
	key := map[string]string{"greylist": "min_defer_time", "autowhite": "max_grey", "timeout": "max_defer_time"}[keyword]
	if seconds == 0 && key != "min_defer_time" {
		return errors.New("it must be at least a second here")
	}
	c.settings[key] = setting{seconds, l}
	return nil
}

// longest is more than any window may have, in seconds.
const longest = 10 * 365 * 24 * 3600

// seconds reads a time of milter-greylist.
func seconds(s string) (int64, error) {
	unit := int64(1)
	if s != "" {
		if u, ok := map[byte]int64{'s': 1, 'm': 60, 'h': 3600, 'd': 24 * 3600, 'w': 7 * 24 * 3600}[s[len(s)-1]]; ok {
			s, unit = s[:len(s)-1], u
		}
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 0 || n*unit > longest {
		return 0, errors.New("it is no time")
	}
	return n * unit, nil
}

// accessList converts an access list: an action, clauses that must all hold, and what
// goes with the action.
func (c *conversion) accessList(conf *greylistConf, l line, s []word) error {
	if len(s) > 0 && s[0].quoted { // its name
		s = s[1:]
	}
	if len(s) < 2 {
		return errors.New("it is no access list")
	}
	then, ok := map[string]string{"whitelist": "accept", "greylist": "greylist", "blacklist": "deny"}[strings.ToLower(s[0].text)]
	if !ok {
		return fmt.Errorf("there is no action %q", s[0].text)
	}
	r := rule{line: l, name: fmt.Sprintf("line-%d", l.n), then: then, windows: make(map[string]int64)}
	var conditions, ignored []string
	code, ecode, message := "", "", ""
	for s = s[1:]; len(s) > 0; {
		negated := s[0].is("not") && len(s) > 1
		if negated {
			s = s[1:]
		}
		keyword, argument, used := strings.ToLower(s[0].text), word{}, 1
		if len(s) > 1 {
			argument, used = s[1], 2
		}
		switch keyword {
		case "default":
			used = 1
		case "delay", "autowhite":
			n, err := seconds(argument.text)
			if err != nil {
				return err
			}
			if n == 0 && keyword == "autowhite" {
				return errors.New("autowhite must be at least a second here")
			}
			if then == "greylist" {
				r.windows[map[string]string{"delay": "min_defer_time", "autowhite": "max_grey"}[keyword]] = n
			}
		case "code":
			code = argument.text
		case "ecode":
			ecode = argument.text
		case "msg":
			message = argument.text
		case "nolog", "flushaddr":
			ignored, used = append(ignored, keyword), 1
		case "report", "addheader", "addfooter", "ratelimit", "maxpeek":
			ignored = append(ignored, keyword)
		case "spf":
			if !isSPF(argument) {
				argument, used = word{text: "pass"}, 1
			}
			fallthrough
		default:
			condition, err := conf.clause(keyword, argument)
			if err != nil {
				return err
			}
			if negated {
				condition = "!(" + condition + ")"
			}
			conditions = append(conditions, condition)
		}
		s = s[used:]
	}
	if r.when = strings.Join(conditions, " && "); r.when == "" {
		r.when = "true"
	}
	if r.reply = replyOf(then, code, ecode, message); r.reply == "" && code+ecode+message != "" {
		ignored = append(ignored, "its reply")
	}
	if len(ignored) > 0 {
		c.no(l, "the rule "+r.name+" is made of it, without "+strings.Join(ignored, ", "))
	}
	c.rules = append(c.rules, r)
	return nil
}

var replyText = regexp.MustCompile(`^[^%{}\\\x00-\x1f\x7f-\x{10ffff}]{1,200}$`)

// replyOf is the reply of a rule; empty if there is no equivalent.
func replyOf(then, code, ecode, message string) string {
	first := map[string]string{"deny": "5", "greylist": "4"}[then]
	if code == "" {
		code = map[string]string{"5": "551", "4": "451"}[first]
	}
	if ecode == "" {
		ecode = first + ".7.1"
	}
	if message == "" && then == "deny" {
		message = "Go away!"
	}
	if first == "" || !regexp.MustCompile(`^`+first+`\d\d$`).MatchString(code) || code == "421" ||
		!regexp.MustCompile(`^`+first+`\.\d{1,3}\.\d{1,3}$`).MatchString(ecode) || !replyText.MatchString(message) {
		return ""
	}
	return code + " " + ecode + " " + message
}

func isSPF(w word) bool {
	switch strings.ToLower(w.text) {
	case "pass", "softfail", "fail", "unknown", "error", "none", "self":
		return !w.quoted && !w.regexp
	}
	return false
}

// clause converts a condition.
func (conf *greylistConf) clause(keyword string, w word) (string, error) {
	if w.text == "" {
		return "", fmt.Errorf("%s has no value", keyword)
	}
	quoted := strconv.Quote(strings.ToLower(w.text))
	switch keyword {
	case "addr":
		prefix, err := address.ParsePrefix(w.text)
		if err != nil {
			return "", errors.New("it has no address")
		}
		return "client_in(" + strconv.Quote(prefix.String()) + ")", nil
	case "domain":
		switch {
		case w.regexp:
			return conf.pattern("client_name", w.text)
		case conf.exactDomains:
			if condition := nameOrBelow(w.text); condition != "" {
				return "(" + condition + ")", nil
			}
			return "", errors.New("it has no domain")
		}
		return "client_name endsWith " + quoted, nil
	case "from", "rcpt", "helo":
		fact := map[string]string{"from": "sender", "rcpt": "recipient", "helo": "helo_name"}[keyword]
		switch {
		case w.regexp:
			return conf.pattern(fact, w.text)
		case w.text == "<>":
			return fact + ` == "<>"`, nil
		}
		return fact + " contains " + strconv.Quote(strings.ToLower(strings.Trim(w.text, "<> \t"))), nil
	case "spf":
		switch result := strings.ToLower(w.text); result {
		case "pass", "softfail", "fail", "none":
			return fmt.Sprintf("spf == %q", result), nil
		default:
			return "", fmt.Errorf("no result of SPF is exactly %s", result)
		}
	case "dnsrbl":
		zone := conf.zones[w.text]
		if zone == nil {
			return "", fmt.Errorf("no dnsrbl %q is defined before", w.text)
		}
		if p, err := netip.ParsePrefix(zone[1]); err != nil || p.Bits() > 24 {
			return "", fmt.Errorf("it counts the answer %s alone; dnsbl(%q) counts any", zone[1], zone[0])
		}
		return fmt.Sprintf("dnsbl(%q)", zone[0]), nil
	case "time":
		return period(w.text)
	case "auth":
		return "", errors.New("who has authenticated is always accepted")
	case "tls":
		if w.regexp && w.text == ".*" {
			return "client_tls", nil
		}
		return "", errors.New("a rule can ask only whether there is a verified certificate: client_tls")
	case "list":
		return conf.anyOf(w.text)
	}
	return "", fmt.Errorf("no rule can ask for %s", keyword)
}

// anyOf is the condition of a list.
func (conf *greylistConf) anyOf(name string) (string, error) {
	items, of := conf.lists[name], conf.listOf[name]
	if len(items) == 0 || of == "list" {
		return "", fmt.Errorf("no list %q is defined before", name)
	}
	var all []string
	for _, item := range items {
		condition, err := conf.clause(of, item)
		if err != nil {
			return "", fmt.Errorf("of the list %q: %w", name, err)
		}
		all = append(all, condition)
	}
	return "(" + strings.Join(all, " || ") + ")", nil
}

func (conf *greylistConf) pattern(fact, expression string) (string, error) {
	if !conf.extended {
		expression = extended(expression)
	}
	return pattern(fact, expression)
}

var hoursAndDays = regexp.MustCompile(`^\*\s+(\*|\d{1,2}(?:-\d{1,2})?)\s+\*\s+\*\s+(\*|[0-6](?:-[0-6])?)$`)

// period converts a time as crontab(5) has it, if it has hours and days of the week alone.
func period(s string) (string, error) {
	m := hoursAndDays.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return "", errors.New("a rule can ask for one span of hours and of days of the week alone")
	}
	var all []string
	for i, fact := range []string{"hour", "weekday"} {
		from, to, span := strings.Cut(m[i+1], "-")
		switch {
		case from == "*":
		case span:
			a, _ := strconv.Atoi(from)
			b, _ := strconv.Atoi(to)
			if most := []int{23, 6}[i]; a > b || b > most {
				return "", errors.New("it is no time")
			}
			all = append(all, fmt.Sprintf("%s in %d..%d", fact, a, b))
		default:
			n, _ := strconv.Atoi(from)
			if n > 23 {
				return "", errors.New("it is no time")
			}
			all = append(all, fmt.Sprintf("%s == %d", fact, n))
		}
	}
	if len(all) == 0 {
		return "true", nil
	}
	return strings.Join(all, " && "), nil
}
