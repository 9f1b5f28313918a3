package rules

import (
	"strings"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"greyglass/greylist/problem"
)

const (
	// maxCondition is the longest condition, in octets, and maxNodes the greatest,
	// in names, values and operators. Together they bound what compiling takes.
	maxCondition = 16 << 10
	maxNodes     = 4000

	// memoryBudget bounds what a condition may build while it is asked, in elements
	// of lists.
	memoryBudget = 10_000
)

// Condition is the `when` of a rule. It never changes, and may be asked by any
// number of goroutines.
type Condition struct {
	holds func(*Facts) bool

	temperror bool // it speaks of SPF's temporary error, which then is a fact as any other
}

// Scope is what conditions refer to.
type Scope struct {
	List       func(ListFile) *List // a list file
	Blocklists []string             // the zones of dnsbl()
	Allowlists []string             // the zones of dnswl()

	// DNS, if set, is told of what a condition asks of DNS: the zones of lists, or
	// none for SPF.
	DNS func(zones ...string)
}

func (s Scope) asksDNS(zones ...string) {
	if s.DNS != nil {
		s.DNS(zones...)
	}
}

// Compile makes a condition of its text. Its error is a [*problem.Error] with the
// line and column.
func Compile(text string, scope Scope) (*Condition, error) {
	program, err := program(text, scope)
	if err != nil {
		return nil, err
	}
	c := &Condition{holds: closureOf(program.Node()), temperror: strings.Contains(strings.ToLower(text), SPFTempError)}
	if c.holds == nil {
		c.holds = onMachine(program)
	}
	return c, nil
}

// program makes a program of a text for the machine of the expression language.
func program(text string, scope Scope) (*vm.Program, error) {
	if len(text) > maxCondition {
		return nil, problem.At(place(1, 1), problem.New(fixSplit, "longer than %d octets", maxCondition))
	}
	p := &patcher{scope: scope}
	options := []expr.Option{expr.Env(environment(nil)), expr.AsBool(), expr.WarnOnAny(), expr.MaxNodes(maxNodes), expr.Patch(p), expr.DisableAllBuiltins()}
	for _, name := range allowedBuiltins {
		options = append(options, expr.EnableBuiltin(name))
	}
	program, err := expr.Compile(text, options...)
	if len(p.problems) > 0 {
		return nil, p.first(text)
	}
	if err != nil {
		return nil, explainError(err)
	}
	return program, nil
}

// Holds reports whether the condition holds. One that asks for what can't be found
// out does not.
func (c *Condition) Holds(f *Facts) bool {
	f.unknown, f.temperror = false, false
	return c.holds(f) && !f.unknown && (!f.temperror || c.temperror)
}

// machine runs programs of the expression language, with an environment of its own.
type machine struct {
	vm.VM
	facts       *Facts
	environment map[string]any
}

var machines = sync.Pool{New: func() any {
	m := &machine{VM: vm.VM{MemoryBudget: memoryBudget}}
	m.environment = environment(&m.facts)
	return m
}}

// onMachine is how conditions are asked that use more of the expression language
// than closures know.
func onMachine(program *vm.Program) func(*Facts) bool {
	return func(f *Facts) bool {
		m := machines.Get().(*machine)
		defer machines.Put(m)
		m.facts = f
		got, err := m.Run(program, m.environment)
		m.facts = nil
		yes, ok := got.(bool)
		return err == nil && ok && yes
	}
}

// environment is what a program finds by its names: the facts, each under its name
// for the checker of types, and as a function that the patcher calls in its place.
func environment(f **Facts) map[string]any {
	e := make(map[string]any)
	for name, function := range functions {
		e[name] = function
	}
	for name, fact := range facts {
		switch {
		case fact.text != nil:
			e[name], e[called(name)] = "", func() string { return told(name, fact.text)(*f) }
		case fact.number != nil:
			e[name], e[called(name)] = 0, func() int { return told(name, fact.number)(*f) }
		default:
			e[name], e[called(name)] = false, func() bool { return told(name, fact.yes)(*f) }
		}
	}
	e[asked] = func(q any) bool { return q.(question).ask(*f) }
	e[askedOf] = func(text, q any) bool { return q.(textQuestion).ask(*f, text.(string)) }
	return e
}

// called is the name of the function that stands for a fact. Nobody can write it.
func called(name string) string { return name + "()" }
