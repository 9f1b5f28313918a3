package rules

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"

	"greyglass/greylist/address"
	"greyglass/greylist/problem"
)

// The functions that the patcher puts in the place of calls such as
// client_in("192.0.2.0/24") and of `sender in list("FILE")`. No condition can contain
// their names.
const (
	asked   = "ask()"
	askedOf = "ask of()"
)

// question is a call whose argument is parsed when the condition is compiled.
type question interface{ ask(*Facts) bool }

// textQuestion is a question about a text.
type textQuestion interface {
	ask(f *Facts, text string) bool
}

// patcher rewrites an expression: names become facts, calls become questions, and
// constants that are compared with a fact are folded to the fact's form.
type patcher struct {
	scope    Scope
	problems []located
}

type located struct {
	at  file.Location
	err error
}

func (p *patcher) problem(at ast.Node, detail, fix string) {
	p.report(at, problem.New(fix, "%s", detail))
}

func (p *patcher) report(at ast.Node, err error) {
	p.problems = append(p.problems, located{at.Location(), err})
}

// first returns the problem that stands first in the text.
func (p *patcher) first(text string) *problem.Error {
	m := slices.MinFunc(p.problems, func(a, b located) int { return cmp.Compare(a.at.From, b.at.From) })
	e := (&file.Error{Location: m.at}).Bind(file.NewSource(text))
	return problem.At(place(e.Line, e.Column+1), m.err)
}

// Visit implements ast.Visitor, which visits the children of a node before the node.
func (p *patcher) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if _, ok := facts[n.Value]; ok {
			if n.Value == "spf" || n.Value == "spf_provider" {
				p.scope.asksDNS()
			}
			ast.Patch(node, &ast.CallNode{Callee: &ast.IdentifierNode{Value: called(n.Value)}})
		} else if n.Value == "$env" {
			p.problem(n, unknownName+"$env", fixNames)
		}
	case *ast.NilNode:
		p.problem(n, "no fact is nil", `write "" for what is not there, and "<>" for the null sender`)
	case *ast.VariableDeclaratorNode:
		p.problem(n, "let declares nothing here", "write the condition without it")
	case *ast.BuiltinNode:
		p.builtin(n)
	case *ast.CallNode:
		if q := p.question(n); q != nil {
			p.replace(node, asked, &ast.ConstantNode{Value: q})
		}
	case *ast.BinaryNode:
		p.compare(node, n)
	}
}

// replace replaces a node by a call of one of our functions.
func (p *patcher) replace(node *ast.Node, function string, arguments ...ast.Node) {
	ast.Patch(node, &ast.CallNode{Callee: &ast.IdentifierNode{Value: function}, Arguments: arguments})
}

// builtin refuses nested loops and builtins that are not allowed: they would take
// too much time or memory.
func (p *patcher) builtin(n *ast.BuiltinNode) {
	if !slices.Contains(allowedBuiltins, n.Name) {
		p.problem(n, unknownName+n.Name, fixNames)
	}
	isLoop := func(node ast.Node) bool { _, ok := node.(*ast.PredicateNode); return ok }
	for _, argument := range n.Arguments {
		if predicate, ok := argument.(*ast.PredicateNode); ok && ast.Find(predicate.Node, isLoop) != nil {
			p.problem(n, "a loop within a loop", fixSplit)
		}
	}
}

// question parses a call of one of our functions. It returns nil for other calls, and
// for calls with a problem, which it reports.
func (p *patcher) question(n *ast.CallNode) question {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		if name, isFact := factOf(n.Callee); isFact {
			p.problem(n, name+" is a fact and takes no brackets", "write "+name)
		}
		return nil
	}
	if _, ok := functions[callee.Value]; !ok || callee.Value == "list" {
		return nil
	}
	if isDNS := callee.Value == "dnsbl" || callee.Value == "dnswl"; isDNS && len(n.Arguments) == 0 {
		zones := map[string][]string{"dnsbl": p.scope.Blocklists, "dnswl": p.scope.Allowlists}
		p.scope.asksDNS(zones[callee.Value]...)
		return &inDNSLists{callee.Value, zones[callee.Value]}
	}
	if len(n.Arguments) != 1 {
		p.problem(n, fmt.Sprintf("%s has %d values in brackets", callee.Value, len(n.Arguments)), "write one, in quotes")
		return nil
	}
	text, ok := n.Arguments[0].(*ast.StringNode)
	if !ok {
		p.problem(n.Arguments[0], "the value in the brackets of "+callee.Value+" must be a constant", "write it in quotes")
		return nil
	}
	switch callee.Value {
	case "client_in":
		prefix, err := address.ParsePrefix(text.Value)
		if err != nil {
			p.report(text, err)
			return nil
		}
		return &inPrefix{prefix}
	case "client_in_list":
		return &inClientList{p.list(text, ClientList)}
	}
	zone := foldHost(text.Value)
	if !isHostName(zone) || !strings.Contains(zone, ".") || strings.Trim(zone, "0123456789.") == "" {
		p.problem(text, fmt.Sprintf("%q is not the name of a DNS list", text.Value), "write one, such as zen.spamhaus.org")
		return nil
	}
	p.scope.asksDNS(zone)
	return &inDNSLists{callee.Value, []string{zone}}
}

// list opens a list file.
func (p *patcher) list(file *ast.StringNode, kind ListKind) *List {
	if file.Value == "" || strings.ContainsRune(file.Value, 0) {
		p.problem(file, fmt.Sprintf("%q is not the name of a file", file.Value), `write it in full, as in list("/etc/greyglass/no-greylisting.list")`)
		return new(List)
	}
	return p.scope.List(ListFile{kind, file.Value})
}

// compare folds the constants that are compared with a fact.
func (p *patcher) compare(node *ast.Node, n *ast.BinaryNode) {
	if call, ok := n.Right.(*ast.CallNode); ok && n.Operator == "in" {
		if callee, ok := call.Callee.(*ast.IdentifierNode); ok && callee.Value == "list" {
			p.inList(node, n, call)
			return
		}
	}
	name, ok := factOf(n.Left)
	constant := &n.Right
	if !ok && (n.Operator == "==" || n.Operator == "!=") {
		name, ok = factOf(n.Right)
		constant = &n.Left
	}
	if !ok {
		return
	}
	fact := facts[name]
	switch n.Operator {
	case "==", "!=":
		p.fold(constant, name, fact.fold)
	case "in":
		if array, ok := n.Right.(*ast.ArrayNode); ok {
			for i := range array.Nodes {
				p.fold(&array.Nodes[i], name, fact.fold)
			}
		}
	case "contains", "startsWith", "endsWith":
		p.fold(constant, name, func(s string) (string, error) { return strings.ToLower(s), nil })
	case "matches":
		if s, ok := n.Right.(*ast.StringNode); ok {
			_, err := regexp.Compile(s.Value)
			if wrong := new(syntax.Error); errors.As(err, &wrong) {
				p.problem(s, fmt.Sprintf("not a regular expression: %s: `%s`", wrong.Code, wrong.Expr), "write one as Go's package regexp reads it")
				return
			}
			set(&n.Right, "(?i)"+s.Value)
		}
	}
}

// fold folds a constant to the form of the fact that it is compared with.
func (p *patcher) fold(constant *ast.Node, name string, fold func(string) (string, error)) {
	switch n := (*constant).(type) {
	case *ast.StringNode:
		if fold == nil {
			return
		}
		folded, err := fold(n.Value)
		if err != nil {
			p.report(n, err)
			return
		}
		if domain := domainIn(name, folded); p.scope.Unconverted != nil && !address.IsASCII(domain) {
			p.scope.Unconverted(domain)
		}
		set(constant, folded)
	case *ast.IntegerNode:
		if most := facts[name].most; most > 0 && (n.Value < 0 || n.Value > most) {
			p.problem(n, fmt.Sprintf("%s is never %d", name, n.Value), fmt.Sprintf("write a number from 0 to %d", most))
		}
	}
}

func set(constant *ast.Node, s string) { ast.Patch(constant, &ast.StringNode{Value: s}) }

// inList reads `fact in list("FILE")`.
func (p *patcher) inList(node *ast.Node, n *ast.BinaryNode, call *ast.CallNode) {
	name, ok := factOf(n.Left)
	kind := facts[name].lists
	if !ok || kind == NoList {
		p.problem(n.Left, "only sender, recipient and client_name can be looked up in a list", "write one of these before in list(FILE), or client_in_list(FILE) for addresses and networks")
		return
	}
	file, ok := (ast.Node)(nil), false
	if len(call.Arguments) == 1 {
		file = call.Arguments[0]
	}
	text, ok := file.(*ast.StringNode)
	if !ok {
		p.problem(call, "list needs the name of one file", `write it in quotes, as in list("/etc/greyglass/no-greylisting.list")`)
		return
	}
	p.replace(node, askedOf, n.Left, &ast.ConstantNode{Value: textQuestion(&inList{name, p.list(text, kind)})})
}

// factOf returns the fact for which a node stands after Visit.
func factOf(node ast.Node) (name string, ok bool) {
	call, ok := node.(*ast.CallNode)
	if !ok {
		return "", false
	}
	callee, ok := call.Callee.(*ast.IdentifierNode)
	if !ok {
		return "", false
	}
	name, ok = strings.CutSuffix(callee.Value, "()")
	_, known := facts[name]
	return name, ok && known
}

// domainIn returns the domain in a folded text that is compared with a fact, or "".
func domainIn(fact, folded string) string {
	_, domain, isAddress := address.Cut(folded)
	if !isAddress && (strings.HasSuffix(fact, "_domain") || strings.HasSuffix(fact, "_name") || fact == "spf_provider") {
		return folded
	}
	return domain
}
