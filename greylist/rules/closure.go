package rules

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// closureOf makes a Go function of a checked expression, or returns nil if the
// expression uses more of the language than it knows. The function returns what expr's
// virtual machine does, which takes more than ten times as long: without it 1,000 rules
// would not cost 100 µs at most (BenchmarkOrdered).
func closureOf(node ast.Node) func(*Facts) bool {
	switch n := node.(type) {
	case *ast.BoolNode:
		return func(*Facts) bool { return n.Value }
	case *ast.UnaryNode:
		if holds := closureOf(n.Node); holds != nil && (n.Operator == "!" || n.Operator == "not") {
			return func(f *Facts) bool { return !holds(f) }
		}
	case *ast.ConditionalNode:
		cond, yes, no := closureOf(n.Cond), closureOf(n.Exp1), closureOf(n.Exp2)
		if cond != nil && yes != nil && no != nil {
			return func(f *Facts) bool {
				if cond(f) {
					return yes(f)
				}
				return no(f)
			}
		}
	case *ast.CallNode:
		return closureOfCall(n)
	case *ast.BinaryNode:
		return closureOfBinary(n)
	}
	return nil
}

func closureOfCall(n *ast.CallNode) func(*Facts) bool {
	if name, ok := factOf(n); ok && facts[name].yes != nil {
		return told(name, facts[name].yes)
	}
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok || len(n.Arguments) == 0 {
		return nil
	}
	constant, ok := n.Arguments[len(n.Arguments)-1].(*ast.ConstantNode)
	if !ok {
		return nil
	}
	switch callee.Value {
	case asked:
		return constant.Value.(question).ask
	case askedOf:
		if text, q := textOf(n.Arguments[0]), constant.Value.(textQuestion); text != nil {
			return func(f *Facts) bool { return q.ask(f, text(f)) }
		}
	}
	return nil
}

func closureOfBinary(n *ast.BinaryNode) func(*Facts) bool {
	switch n.Operator {
	case "and", "&&", "or", "||":
		left, right := closureOf(n.Left), closureOf(n.Right)
		switch {
		case left == nil || right == nil:
			return nil
		case n.Operator == "and" || n.Operator == "&&":
			return func(f *Facts) bool { return left(f) && right(f) }
		}
		return func(f *Facts) bool { return left(f) || right(f) }
	case "in":
		return closureOfIn(n)
	}
	if left, right := numberOf(n.Left), numberOf(n.Right); left != nil && right != nil {
		return compareNumbers(n.Operator, left, right)
	}
	if left, right := textOf(n.Left), textOf(n.Right); left != nil && right != nil {
		return compareTexts(n, left, right)
	}
	return nil
}

const fewTexts = 8

func closureOfIn(n *ast.BinaryNode) func(*Facts) bool {
	constant, ok := n.Right.(*ast.ConstantNode)
	if !ok {
		return nil
	}
	switch set := constant.Value.(type) {
	case map[string]struct{}:
		text := textOf(n.Left)
		if text == nil {
			return nil
		}
		if len(set) <= fewTexts { // comparing them all is faster than a map
			few := slices.Collect(maps.Keys(set))
			return func(f *Facts) bool { return slices.Contains(few, text(f)) }
		}
		return func(f *Facts) bool { _, ok := set[text(f)]; return ok }
	case map[int]struct{}:
		if number := numberOf(n.Left); number != nil {
			return func(f *Facts) bool { _, ok := set[number(f)]; return ok }
		}
	}
	return nil
}

func compareNumbers(operator string, left, right func(*Facts) int) func(*Facts) bool {
	switch operator {
	case "==":
		return func(f *Facts) bool { return left(f) == right(f) }
	case "!=":
		return func(f *Facts) bool { return left(f) != right(f) }
	case "<":
		return func(f *Facts) bool { return left(f) < right(f) }
	case "<=":
		return func(f *Facts) bool { return left(f) <= right(f) }
	case ">":
		return func(f *Facts) bool { return left(f) > right(f) }
	case ">=":
		return func(f *Facts) bool { return left(f) >= right(f) }
	}
	return nil
}

func compareTexts(n *ast.BinaryNode, left, right func(*Facts) string) func(*Facts) bool {
	switch n.Operator {
	case "==":
		return func(f *Facts) bool { return left(f) == right(f) }
	case "!=":
		return func(f *Facts) bool { return left(f) != right(f) }
	case "contains":
		return func(f *Facts) bool { return strings.Contains(left(f), right(f)) }
	case "startsWith":
		return func(f *Facts) bool { return strings.HasPrefix(left(f), right(f)) }
	case "endsWith":
		return func(f *Facts) bool { return strings.HasSuffix(left(f), right(f)) }
	case "matches":
		if constant, ok := n.Right.(*ast.StringNode); ok {
			if pattern, err := regexp.Compile(constant.Value); err == nil {
				return func(f *Facts) bool { return pattern.MatchString(left(f)) }
			}
		}
	}
	return nil
}

// textOf makes a function of a node that is a text; nil for others.
func textOf(node ast.Node) func(*Facts) string {
	if s, ok := node.(*ast.StringNode); ok {
		return func(*Facts) string { return s.Value }
	}
	if name, ok := factOf(node); ok && facts[name].text != nil {
		return told(name, facts[name].text)
	}
	return nil
}

// numberOf makes a function of a node that is a whole number; nil for others.
func numberOf(node ast.Node) func(*Facts) int {
	if i, ok := node.(*ast.IntegerNode); ok && i.Type().Kind() == reflect.Int {
		return func(*Facts) int { return i.Value }
	}
	if name, ok := factOf(node); ok && facts[name].number != nil {
		return told(name, facts[name].number)
	}
	return nil
}
