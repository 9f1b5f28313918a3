package rules

import (
	"maps"
	"strings"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"greyglass/greylist/problem"
)

const (
	// maxCondition bounds the length of a condition, in octets, and maxNodes its
	// names, values and operators. Together they bound the time to compile it.
	maxCondition = 16 << 10
	maxNodes     = 4000

	// memoryBudget bounds the elements of the lists that a condition may build.
	memoryBudget = 10_000
)

// Condition is the `when` of a rule. It is immutable, and safe for concurrent use.
type Condition struct {
	holds func(*Facts) bool

	temperror bool // it names "temperror", so that this result does not make it unknown
}

// Scope is what conditions refer to.
type Scope struct {
	List       func(ListFile) *List // a list file
	Blocklists []string             // the zones of dnsbl()
	Allowlists []string             // the zones of dnswl()

	// DNS, if set, is called with the zones that a condition asks; without zones for
	// SPF.
	DNS func(zones ...string)

	// Unconverted, if set, is called with each internationalized domain that a fact is
	// compared with and that does not convert to its form for the DNS.
	Unconverted func(domain string)
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

// program compiles a text for expr's virtual machine.
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

// Holds reports whether the condition holds. It does not if it asks for a fact that
// is unknown.
func (c *Condition) Holds(f *Facts) bool {
	f.unknown, f.temperror = false, false
	return c.holds(f) && !f.unknown && (!f.temperror || c.temperror)
}

// machine is expr's virtual machine with its environment.
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

// onMachine runs conditions for which closureOf has no function.
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

// environment has each fact twice: under its name for the type checker, and as a
// function that the patcher calls in its place.
func environment(f **Facts) map[string]any {
	e := make(map[string]any)
	maps.Copy(e, functions)
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

// called is the name of the function that stands for a fact. No condition can contain
// it.
func called(name string) string { return name + "()" }
