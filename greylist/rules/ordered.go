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

// Longest returns w with the longest MaxDeferTime and MaxGrey of w and all ordered
// rules.
func (s *Set) Longest(w greylist.Windows) greylist.Windows {
	for _, own := range s.windows {
		w.MaxDeferTime, w.MaxGrey = max(w.MaxDeferTime, own.MaxDeferTime), max(w.MaxGrey, own.MaxGrey)
	}
	return w
}

// WindowsOf returns the windows of an ordered rule, and w if it has none of its own.
func (s *Set) WindowsOf(rule string, w greylist.Windows) greylist.Windows {
	if own, ok := s.windows[rule]; ok {
		return own
	}
	return w
}

// Widest returns windows in which every retry passes that passes in w or in those of an
// ordered rule. same reports whether all of these are the same.
func (s *Set) Widest(w greylist.Windows) (widest greylist.Windows, same bool) {
	widest, same = s.Longest(w), true
	for _, own := range s.windows {
		widest.TooSoon, widest.MinDeferTime = min(widest.TooSoon, own.TooSoon), min(widest.MinDeferTime, own.MinDeferTime)
		same = same && own == w
	}
	return widest, same
}
