package rules

import (
	"context"
	"strings"

	"greyglass/greylist"
)

// Rule is a [[rule]] of the configuration.
type Rule struct {
	Name string
	When string // see [Compile]

	Then     greylist.Verdict   // Accept, Defer, Deny or [Greylist]
	Reply    greylist.Reply     // see [Ruling]
	Windows  *greylist.Windows  // see [Ruling]
	Identity *greylist.Identity // see [Ruling]
}

// compile compiles the condition of the rule.
func (r Rule) compile(scope Scope) (rule, error) {
	when, err := Compile(r.When, scope)
	if err != nil {
		return rule{}, err
	}
	ruling := &Ruling{Verdict: r.Then, Reply: r.Reply, Windows: r.Windows, Identity: r.Identity, Rule: r.Name}
	if r.Then != Greylist {
		ruling.Reason = greylist.Reason("rule:" + r.Name)
	}
	ask := func(ctx context.Context, f *Facts) (*Ruling, string, error) {
		f.ctx = ctx
		if f.traced {
			return explained(when, f, *ruling)
		}
		if when.Holds(f) {
			return ruling, "", nil
		}
		return nil, "", nil
	}
	return rule{"rule " + r.Name, ask}, nil
}

// explained evaluates a condition, and returns the facts that it asked for, too.
func explained(when *Condition, f *Facts, ruling Ruling) (*Ruling, string, error) {
	var facts []string
	f.told = func(name, value string) {
		if fact := name + "=" + value; len(facts) == 0 || facts[len(facts)-1] != fact {
			facts = append(facts, fact)
		}
	}
	holds := when.Holds(f)
	f.told = nil
	says := strings.Join(facts, ", ")
	if !holds {
		return nil, says, nil
	}
	ruling.Because = says
	return &ruling, "", nil
}
