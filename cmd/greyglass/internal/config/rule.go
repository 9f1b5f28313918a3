package config

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/problem"
	"greyglass/greylist/rules"
)

// Rule is one [[rule]].
type Rule struct {
	Name, When, Then, Reply string

	values map[string]any // of its keys that are good: a string or a time.Duration

	lists   []rules.ListFile // in the condition
	asksDNS bool
	zones   []string // of DNS lists in the condition

	unconverted []string // domains in the condition

	at   origin            // of the rule itself
	from map[string]origin // of its keys: "when"
}

// text returns the value of a key that is a string; empty if the rule does not have it.
func (r *Rule) text(key string) string {
	s, _ := r.values[key].(string)
	return s
}

// windows returns the rule's windows, in seconds: the greylist's, where it has none of its own.
func (r *Rule) windows(g Greylist) greylist.Windows {
	for key, window := range map[string]*time.Duration{"too_soon": &g.TooSoon, "min_defer_time": &g.MinDeferTime, "max_defer_time": &g.MaxDeferTime, "max_grey": &g.MaxGrey} {
		if own, ok := r.values[key].(time.Duration); ok {
			*window = own
		}
	}
	return g.Windows()
}

// identity returns the rule's identity: the greylist's, where it has none of its own.
func (r *Rule) identity(g Greylist) greylist.Identity {
	g.ClientIdentity = cmp.Or(r.text("client_identity"), g.ClientIdentity)
	g.SenderIdentity = cmp.Or(r.text("sender_identity"), g.SenderIdentity)
	return g.identity()
}

const thenGreylist = string(rules.Greylist)

// ruleSection has the keys of a [[rule]]. Rules can be in a file only.
var ruleSection = Section{
	Name: "rule",
	Doc: "Ordered rules, of which the first whose `when` holds answers, after the lists of `[rules]` and before the greylist. " +
		"A problem in a rule is a problem of the configuration; no rule is ignored silently.",
	Options: []Option{
		{
			Key:  "rule.name",
			Kind: text{checkRuleName, "letters, digits, `.`, `_` and `-`; no two rules have the same"},
			Doc:  "The rule's name. The log has it as `reason=rule:NAME` or, where the rule sends mail to the greylist, as `rule=NAME`.",
		}, {
			Key:  "rule.when",
			Kind: text{allowed: "a condition"},
			Doc:  "The condition, see below. In TOML's single quotes it can contain double quotes.",
		}, {
			Key:  "rule.then",
			Kind: choice{"accept", "defer", "deny", thenGreylist},
			Doc:  "What the rule answers. `greylist` asks the greylist at once, by the rule's own windows where it has any.",
		}, {
			Key:  "rule.reply",
			Kind: text{allowed: "an SMTP reply that goes with `then`"},
			Doc:  "The reply of a rule that defers or denies, or of the greylist where the rule sends mail there; `[reply]` has the placeholders that it may hold. The default is `" + defaultDeferReply + "`, `" + defaultDenyReply + "`, or `greylist.reply`.",
		},
		{Key: "rule.client_identity", Kind: clientIdentity, Doc: "As `greylist.client_identity`, for mail that the rule sends to the greylist."},
		{Key: "rule.sender_identity", Kind: senderIdentity, Doc: "As `greylist.sender_identity`, for mail that the rule sends to the greylist."},
		{Key: "rule.too_soon", Kind: window(0), Doc: "As `greylist.too_soon`, for mail that the rule sends to the greylist."},
		{Key: "rule.min_defer_time", Kind: window(0), Doc: "As `greylist.min_defer_time`, for mail that the rule sends to the greylist."},
		{Key: "rule.max_defer_time", Kind: window(time.Second), Doc: "As `greylist.max_defer_time`, for mail that the rule sends to the greylist."},
		{Key: "rule.max_grey", Kind: window(time.Second), Doc: "As `greylist.max_grey`, for mail that the rule sends to the greylist."},
	},
}

const (
	defaultDenyReply  = "550 5.7.1 Not accepted here"
	defaultDeferReply = "451 4.7.1 Please try again later"
)

// ruleKey returns the option of a key of a rule, or nil.
func ruleKey(key string) *Option {
	i := slices.IndexFunc(ruleSection.Options, func(o Option) bool { return o.name() == key })
	if i < 0 {
		return nil
	}
	return &ruleSection.Options[i]
}

func checkRuleName(s string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	if s == "" || len(s) > 64 || strings.Trim(s, allowed) != "" {
		return problem.New("write up to 64 letters, digits, dots, underscores and hyphens", "not a name of a rule")
	}
	return nil
}
