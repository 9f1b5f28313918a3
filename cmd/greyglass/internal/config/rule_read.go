package config

import (
	"fmt"
	"slices"
	"strconv"
)

const fixRule = "write [[rule]], and below it name, when and then"

// readRules reads every [[rule]] of a file.
func (r *fileReader) readRules(raw any) {
	tables, ok := raw.([]any)
	if !ok {
		r.problems.add(Problem{r.at("rule").String(), "rule", spell(raw), "not a list of tables", fixRule})
		return
	}
	for i, raw := range tables {
		path := []string{"rule", strconv.Itoa(i)}
		if table, ok := raw.(map[string]any); ok {
			r.rules = append(r.rules, r.readRule(path, table))
		} else {
			r.problems.add(Problem{r.at("rule").String(), "rule", spell(raw), typeOf(raw) + " where a rule belongs", fixRule})
		}
	}
}

// readRule reads one [[rule]].
func (r *fileReader) readRule(path []string, table map[string]any) Rule {
	rule := Rule{at: r.at(path...), from: map[string]origin{}, values: map[string]any{}}
	rule.Name, _ = table["name"].(string) // for the problems in what comes before it
	for _, key := range r.inOrder(path, table) {
		rule.from[key] = r.at(append(slices.Clip(path), key)...)
		raw := table[key]
		o := ruleKey(key)
		if o == nil {
			r.problems.add(rule.problem(key, spell(raw), "unknown key", suggestRuleKey(key)))
			continue
		}
		value, faults := o.Kind.read(raw)
		for _, f := range faults {
			r.problems.add(rule.problem(key, spell(raw), f.detail, f.fix))
		}
		if len(faults) == 0 {
			rule.values[key] = value
		}
	}
	rule.When, rule.Then, rule.Reply = rule.text("when"), rule.text("then"), rule.text("reply")
	return rule
}

// problem is one in what a key of the rule says.
func (r *Rule) problem(key, value, what, fix string) Problem {
	at, ok := r.from[key]
	if !ok {
		at = r.at
	}
	return Problem{at.String(), r.key(key), value, what, fix}
}

// key is what a key of the rule is called in problems.
func (r *Rule) key(key string) string { return fmt.Sprintf("rule %q: %s", r.Name, key) }
