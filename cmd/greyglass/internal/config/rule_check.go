package config

import (
	"slices"
	"strings"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/problem"
	"greyglass/greylist/rules"
)

// checkRules finds problems in each rule, and between rules.
func (m merged) checkRules(problems *Problems) {
	named := make(map[string]*Rule)
	for i := range m.config.Rule {
		r := &m.config.Rule[i]
		for _, key := range []string{"name", "when", "then"} {
			if _, ok := r.from[key]; !ok {
				problems.add(r.problem(key, "", "missing", fixRule))
			}
		}
		if first := named[r.Name]; first != nil && r.Name != "" {
			problems.add(r.problem("name", quote(r.Name), "also the name of the rule at "+first.at.String(), "choose another"))
		}
		named[r.Name] = r
		if _, ok := r.from["when"]; ok && !problems.about(r.key("when")) {
			r.checkWhen(problems)
		}
		if r.Then != "" {
			m.checkThen(r, problems)
		}
	}
}

// withoutBroken removes the rules that have problems, and returns these.
func (m merged) withoutBroken(problems *Problems) (broken []Problem) {
	var others []Problem
	kept := make([]Rule, 0, len(m.config.Rule))
	for _, r := range m.config.Rule {
		if !slices.ContainsFunc(problems.List, (&r).has) {
			kept = append(kept, r)
		}
	}
	for _, p := range problems.List {
		if slices.ContainsFunc(m.config.Rule, func(r Rule) bool { return r.has(p) }) {
			broken = append(broken, p)
		} else {
			others = append(others, p)
		}
	}
	m.config.Rule, problems.List = kept, others
	return broken
}

// has reports whether a problem is one of the rule.
func (r *Rule) has(p Problem) bool { return strings.HasPrefix(p.Key, r.key("")) }

// checkWhen compiles the condition, without reading its list files.
func (r *Rule) checkWhen(problems *Problems) {
	_, err := rules.Compile(r.When, rules.Scope{
		List: func(file rules.ListFile) *rules.List {
			switch {
			case file.File != KnownSenders:
				r.lists = append(r.lists, file)
			case file.Kind != rules.ClientList:
				problems.add(r.problem("when", literal(r.When), `"known-senders" has clients, and no senders or recipients`, `write client_in_list("known-senders")`))
			}
			return new(rules.List)
		},
		DNS: func(zones ...string) {
			r.asksDNS, r.zones = true, append(r.zones, zones...)
		},
		Unconverted: func(domain string) { r.unconverted = append(r.unconverted, domain) },
	})
	if err == nil {
		return
	}
	wrong := problem.Find(err)
	detail, fix := problem.Split("", err)
	if near, ok := Nearest(wrong.Unknown, rules.Names()); ok && wrong.Unknown != "" {
		fix = "did you mean " + near + "?"
	}
	problems.add(r.problem("when", literal(r.When), wrong.Where+": "+detail, fix))
}

// checkThen finds keys that conflict with the rule's answer.
func (m merged) checkThen(r *Rule, problems *Problems) {
	for _, key := range []string{"too_soon", "min_defer_time", "max_defer_time", "max_grey"} {
		if _, ok := r.from[key]; ok && r.Then != thenGreylist {
			problems.add(r.problem(key, "", "a window of a rule that does not greylist", `remove it, or write then = "greylist"`))
		}
	}
	for _, key := range []string{"client_identity", "sender_identity"} {
		if _, ok := r.from[key]; ok && r.Then != thenGreylist {
			problems.add(r.problem(key, "", "an identity of a rule that does not greylist", `remove it, or write then = "greylist"`))
		}
	}
	if _, ok := r.from["reply"]; ok && !problems.about(r.key("reply")) {
		m.checkReply(r, problems)
	}
	if w := r.windows(m.config.Greylist); r.Then == thenGreylist && !problems.about(maxKey) {
		for _, lower := range []struct {
			key   string
			value int64
		}{{"too_soon", w.TooSoon}, {"min_defer_time", w.MinDeferTime}} {
			_, own := r.from[lower.key]
			_, ownMost := r.from["max_defer_time"]
			if lower.value > w.MaxDeferTime && (own || ownMost) {
				problems.add(r.problem(lower.key, spell(time.Duration(lower.value)*time.Second),
					"above the rule's max_defer_time of "+spell(time.Duration(w.MaxDeferTime)*time.Second)+", so that no triplet could ever pass", "lower it, or give the rule a longer max_defer_time"))
			}
		}
	}
}

func (m merged) checkReply(r *Rule, problems *Problems) {
	if r.Then == string(greylist.Accept) {
		problems.add(r.problem("reply", quote(r.Reply), "a rule that accepts sends no reply", "remove it"))
		return
	}
	verdict := greylist.Verdict(r.Then)
	if r.Then == thenGreylist {
		verdict = greylist.Defer
	}
	_, faults := reply(verdict).read(r.Reply)
	if faults == nil && !problems.about("reply.contact") && !problems.about("reply.url") {
		for _, err := range unjoin(m.config.Reply.check(r.Reply, verdict)) {
			faults = append(faults, faultOf(whole, r.Reply, err))
		}
	}
	for _, f := range faults {
		problems.add(r.problem("reply", quote(r.Reply), f.detail, f.fix))
	}
}

// suggestRuleKey suggests how to fix an unknown key of a rule.
func suggestRuleKey(key string) string {
	var known []string
	for i := range ruleSection.Options {
		known = append(known, ruleSection.Options[i].name())
	}
	if near, ok := Nearest(key, known); ok {
		return "did you mean " + near + "?"
	}
	return "remove it; a rule knows " + strings.Join(known, ", ")
}
