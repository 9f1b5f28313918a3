package rules

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/file"

	"greyglass/greylist/problem"
)

// place is a place in a condition in words, counted from 1, with the line if it is
// not the first.
func place(line, column int) string {
	if line > 1 {
		return fmt.Sprintf("line %d, column %d", line, column)
	}
	return fmt.Sprintf("column %d", column)
}

const (
	unknownName   = "unknown name "
	fixCondition  = `write a condition, such as recipient_domain == "example.org" && client_name == ""`
	fixComparison = `compare it with something, as in sender_domain == "example.net"`
	fixSplit      = "write several rules, or a list file"
	fixNames      = "greyglass.toml(5) has the names of all facts"
)

// phrasings replace the compiler's messages by ours. $1 and $2 stand for the groups
// of the pattern.
var phrasings = []struct {
	pattern     *regexp.Regexp
	detail, fix string
}{
	{regexp.MustCompile(`^unknown name (\S+)$`), unknownName + "$1", fixNames},
	{regexp.MustCompile(`^unexpected token Operator\("="\)`), "= compares nothing", "write == to compare"},
	{regexp.MustCompile(`^unexpected (?:token EOF|end of expression)`), "something is missing at the end", fixCondition},
	{regexp.MustCompile(`^unexpected token \w+\("(.*)"\)`), "$1 is not expected here", fixCondition},
	{regexp.MustCompile(`^literal not terminated`), "a quote is not closed", "close it with the same quotation mark"},
	{regexp.MustCompile(`^unrecognized character: \S+ '(.*)'`), "$1 means nothing here", "join conditions with && or ||"},
	{regexp.MustCompile(`^invalid operation: (?:&&|\|\||and|or) \(mismatched types (?:bool and (\S+)|(\S+) and \S+)\)`), "$1$2 where a condition belongs", fixComparison},
	{regexp.MustCompile(`^invalid operation: (?:!|not) \(mismatched type (\S+)\)`), "$1 where a condition belongs", fixComparison},
	{regexp.MustCompile(`^expected bool, but got (\S+)`), "$1 where a condition belongs", fixComparison},
	{regexp.MustCompile(`^invalid operation: (\S+) \(mismatched types (\S+) and (\S+)\)`), "$1 stands between $2 and $3", "compare text with text in quotes, and hour and weekday with numbers"},
	{regexp.MustCompile(`^cannot use (\S+) as type (\S+) in array`), "$1 is looked for among $2", "compare text with text in quotes, and hour and weekday with numbers"},
	{regexp.MustCompile(`^expression exceeds maximum allowed nodes`), "more than " + strconv.Itoa(maxNodes) + " names, values and operators", fixSplit},
}

// typeWords replace the compiler's names of types.
var typeWords = map[string]string{"string": "text", "int": "a number", "float64": "a number", "bool": "a condition",
	"rules.listFile": "list(FILE)", "nil": "nothing"}

// explainError rephrases an error of the compiler of expressions.
func explainError(err error) *problem.Error {
	at := new(file.Error)
	if !errors.As(err, &at) {
		at.Message = err.Error()
	}
	message := strings.TrimPrefix(at.Message, "compilation failed: ") // which expr puts before the errors of its checker
	e := problem.New(fixCondition, "%s", message)
	for _, p := range phrasings {
		groups := p.pattern.FindStringSubmatch(message)
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
		e = problem.New(p.fix, "%s", strings.NewReplacer(replace...).Replace(p.detail))
		if strings.HasPrefix(p.detail, unknownName) {
			e.Unknown = groups[1]
		}
		break
	}
	return problem.At(place(max(at.Line, 1), at.Column+1), e)
}
