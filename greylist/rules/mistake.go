package rules

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/file"
)

// Mistake is what is wrong with a condition, where, and what was expected there.
// Line and column count from 1.
type Mistake struct {
	Line, Column   int
	What, Expected string
	Unknown        string // a name that means nothing
}

// Where is the place in words, with the line where there are several.
func (m *Mistake) Where() string {
	if m.Line > 1 {
		return fmt.Sprintf("line %d, column %d", m.Line, m.Column)
	}
	return fmt.Sprintf("column %d", m.Column)
}

// Error says where, what, and what was expected.
func (m *Mistake) Error() string {
	text := m.Where() + ": " + m.What
	if m.Expected != "" {
		text += "; " + m.Expected
	}
	return text
}

const (
	unknownName        = "unknown name "
	expectedCondition  = `write a condition, such as recipient_domain == "example.org" && client_name == ""`
	expectedComparison = `compare it with something, as in sender_domain == "example.net"`
	expectedNames      = "greyglass.toml(5) has the names of all facts"
)

// phrasings say in the words of this language what the compiler says in its own. $1
// and $2 stand for the groups of the pattern.
var phrasings = []struct {
	pattern        *regexp.Regexp
	what, expected string
}{
	{regexp.MustCompile(`^unknown name (\S+)$`), unknownName + "$1", expectedNames},
	{regexp.MustCompile(`^unexpected token Operator\("="\)`), "= compares nothing", "write == to compare"},
	{regexp.MustCompile(`^unexpected (?:token EOF|end of expression)`), "something is missing at the end", expectedCondition},
	{regexp.MustCompile(`^unexpected token \w+\("(.*)"\)`), "$1 is not expected here", expectedCondition},
	{regexp.MustCompile(`^literal not terminated`), "a quote is not closed", "close it with the same quotation mark"},
	{regexp.MustCompile(`^unrecognized character: \S+ '(.*)'`), "$1 means nothing here", "join conditions with && or ||"},
	{regexp.MustCompile(`^invalid operation: (?:&&|\|\||and|or) \(mismatched types (?:bool and (\S+)|(\S+) and \S+)\)`), "$1$2 where a condition belongs", expectedComparison},
	{regexp.MustCompile(`^invalid operation: (?:!|not) \(mismatched type (\S+)\)`), "$1 where a condition belongs", expectedComparison},
	{regexp.MustCompile(`^expected bool, but got (\S+)`), "$1 where a condition belongs", expectedComparison},
	{regexp.MustCompile(`^invalid operation: (\S+) \(mismatched types (\S+) and (\S+)\)`), "$1 stands between $2 and $3", "compare text with text in quotes, and hour and weekday with numbers"},
	{regexp.MustCompile(`^cannot use (\S+) as type (\S+) in array`), "$1 is looked for among $2", "compare text with text in quotes, and hour and weekday with numbers"},
	{regexp.MustCompile(`^expression exceeds maximum allowed nodes`), "more than " + strconv.Itoa(maxNodes) + " names, values and operators", "write several rules, or a list file"},
}

// typeWords are what the compiler calls types, in words.
var typeWords = map[string]string{"string": "text", "int": "a number", "float64": "a number", "bool": "a condition",
	"rules.listFile": "list(FILE)", "nil": "nothing"}

// explainError is what an error of the compiler of expressions says.
func explainError(e *file.Error) *Mistake {
	m := &Mistake{Line: max(e.Line, 1), Column: e.Column + 1, What: strings.TrimPrefix(e.Message, "compilation failed: "), Expected: expectedCondition}
	for _, p := range phrasings {
		groups := p.pattern.FindStringSubmatch(m.What)
		if groups == nil {
			continue
		}
		var replace []string
		for i, group := range groups[1:] {
			if word, ok := typeWords[group]; ok {
				group = word
			}
			replace = append(replace, fmt.Sprintf("$%d", i+1), group)
		}
		if strings.HasPrefix(p.what, unknownName) {
			m.Unknown = groups[1]
		}
		m.What, m.Expected = strings.NewReplacer(replace...).Replace(p.what), p.expected
		break
	}
	return m
}
