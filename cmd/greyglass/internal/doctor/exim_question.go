package doctor

import (
	"context"
	"slices"
	"strings"

	"greyglass/milter/listen"
)

// eximQuestion is a readsocket in an ACL that asks Greyglass.
type eximQuestion struct {
	readsocket
	address listen.Address
	behind  string // the ACL in which an unconditional statement before it ends all
	verb    string // of that statement
	guarded bool   // a check against relaying stands before it
	ahead   bool   // the check against relaying comes only after it
}

// questions finds the questions to Greyglass in the ACLs of an option, and in those that
// they call.
func (c *exim) questions(ctx context.Context, v *exam, option string) []eximQuestion {
	w := eximWalk{c: c, ours: func(r readsocket) (listen.Address, bool) {
		theirs, err := listen.ParseAddress(r.socket)
		if err != nil {
			return listen.Address{}, false
		}
		return v.ours(ctx, byPolicy, theirs)
	}}
	text := c.options[option]
	if len(statements(text)) > 0 { // an unnamed ACL
		w.walk(option, text, eximQuestion{})
	} else {
		w.follow(text, eximQuestion{})
	}
	return w.found
}

// asked returns the first question that Exim reaches, or else the first.
func asked(all []eximQuestion) (q eximQuestion, found bool) {
	if len(all) == 0 {
		return eximQuestion{}, false
	}
	return all[max(slices.IndexFunc(all, func(q eximQuestion) bool { return q.behind == "" }), 0)], true
}

// eximWalk goes through ACLs in Exim's order.
type eximWalk struct {
	c     *exim
	ours  func(readsocket) (listen.Address, bool)
	path  []string // the ACLs that lead to the present one
	found []eximQuestion
}

// walk goes through the statements of an ACL. q is what is known before it.
func (w *eximWalk) walk(name, text string, q eximQuestion) {
	first := len(w.found)
	for _, s := range statements(text) {
		here := q
		for _, condition := range s.conditions {
			w.look(condition, here)
			here.guarded = here.guarded || condition.name == "domains"
		}
		if q.behind == "" && s.endsAll() {
			q.behind, q.verb = name, s.verb
		}
		if s.refusesRelaying() {
			q.guarded = true
			for i := range w.found[first:] {
				w.found[first+i].ahead = true
			}
		}
	}
}

// look finds questions in a condition, and in the ACLs that it calls.
func (w *eximWalk) look(condition eximCondition, q eximQuestion) {
	for _, r := range readsockets(condition.value) {
		if a, ours := w.ours(r); ours {
			q.readsocket, q.address = r, a
			w.found = append(w.found, q)
		}
	}
	w.follow(condition.value, q)
}

// follow walks through the ACLs that a text names.
func (w *eximWalk) follow(text string, q eximQuestion) {
	for i := 0; i < len(text); {
		word, size := nameAt(text[i:])
		if acl, isACL := w.c.acls[word]; isACL && !slices.Contains(w.path, word) {
			w.path = append(w.path, word)
			w.walk(word, acl, q)
			w.path = w.path[:len(w.path)-1]
		}
		i += max(size, 1)
	}
}

// statement is a statement of an ACL: a verb with conditions and modifiers.
type statement struct {
	verb       string
	conditions []eximCondition
}

type eximCondition struct {
	name, value string
	negated     bool
}

var eximVerbs = []string{"accept", "defer", "deny", "discard", "drop", "require", "warn"}

// statements returns the statements of an ACL (Exim's specification, section 44.19).
func statements(acl string) (all []statement) {
	for line := range strings.Lines(acl) {
		line = strings.TrimSpace(line)
		word, size := nameAt(line)
		rest := strings.TrimSpace(line[size:])
		if slices.Contains(eximVerbs, word) && !strings.HasPrefix(rest, "=") {
			all = append(all, statement{verb: word})
			line = rest
		}
		if line != "" && len(all) > 0 {
			last := &all[len(all)-1]
			last.conditions = append(last.conditions, parseCondition(line))
		}
	}
	return all
}

func parseCondition(line string) (c eximCondition) {
	name, value, _ := strings.Cut(line, "=")
	name, c.negated = strings.CutPrefix(strings.TrimSpace(name), "!")
	name, _, _ = strings.Cut(strings.TrimSpace(name), " ") // "set acl_m_x"
	c.name, c.value = name, strings.TrimSpace(value)
	return c
}

// eximModifiers decide nothing.
var eximModifiers = []string{"add_header", "continue", "control", "delay", "endpass", "log_message", "log_reject_target",
	"logwrite", "message", "queue", "remove_header", "set", "udpsend"}

// always reports whether a condition is true for all mail.
func (c eximCondition) always() bool {
	switch {
	case slices.Contains(eximModifiers, c.name):
		return true
	case c.negated:
		return false
	case c.name == "condition":
		return slices.Contains([]string{"true", "yes", "1"}, c.value)
	}
	return c.value == "*" && slices.Contains([]string{"domains", "hosts", "local_parts", "senders"}, c.name)
}

// endsAll reports whether Exim never reaches the statements after this one.
func (s statement) endsAll() bool {
	if s.verb == "warn" || s.verb == "require" {
		return false
	}
	return !slices.ContainsFunc(s.conditions, func(c eximCondition) bool { return !c.always() })
}

// refusesRelaying reports whether a statement looks like the check against relaying: it
// requires some domains, or denies all others, or has "relay" in its message.
func (s statement) refusesRelaying() bool {
	tests := false
	for _, c := range s.conditions {
		about := c.name == "domains" || c.name == "acl" || strings.HasSuffix(c.name, "message")
		switch {
		case about && c.name != "domains" && strings.Contains(strings.ToLower(c.value), "relay"):
			tests = true
		case c.name == "domains" && s.verb == "require":
			tests = !c.negated
		case c.name == "domains":
			tests = tests || c.negated || strings.Contains(c.value, "!")
		case s.verb != "require" && !c.negated && slices.Contains(eximNarrowing, c.name):
			return false
		}
	}
	return tests && slices.Contains([]string{"deny", "drop", "defer", "require"}, s.verb)
}

// eximNarrowing are conditions that restrict a refusal to some mail.
var eximNarrowing = []string{"dnslists", "local_parts", "ratelimit", "recipients", "sender_domains", "senders", "spf"}
