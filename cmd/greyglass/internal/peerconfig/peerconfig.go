// Package peerconfig converts the configuration of other greylisting programs to that of
// Greyglass.
package peerconfig

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"greyglass/greylist/address"
)

// kind is a kind of file that can be converted.
type kind struct {
	name    string
	file    *regexp.Regexp // of the names that such files have
	convert func(*conversion, []line)
}

var kinds = []kind{
	{"milter-greylist", regexp.MustCompile(`^greylist.*\.conf$`), (*conversion).milterGreylist},
	{"postgrey-clients", regexp.MustCompile(`whitelist_clients`), (*conversion).postgreyClients},
	{"postgrey-recipients", regexp.MustCompile(`whitelist_recipients`), (*conversion).postgreyRecipients},
	{"sqlgrey-names", regexp.MustCompile(`clients_fqdn_whitelist`), (*conversion).sqlgreyNames},
	{"sqlgrey-addresses", regexp.MustCompile(`clients_ip_whitelist`), (*conversion).sqlgreyAddresses},
}

// Kinds are the names of all kinds.
func Kinds() (names []string) {
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

const (
	maxFile = 4 << 20 // octets
	maxLine = 4096
)

// conversion is what becomes of a file.
type conversion struct {
	kind     string
	settings map[string]setting // of [greylist], by key
	rules    []rule
	comments []comment
}

// comment says why a line has no equivalent.
type comment struct {
	line
	why string
}

// setting is a number, and the line that has it: zero for the program's default.
type setting struct {
	value int64
	line
}

// rule is a [[rule]].
type rule struct {
	line
	name, when, then, reply string
	windows                 map[string]int64 // seconds
}

// line is a line that is not empty, or several that are continued, and their first number.
type line struct {
	n    int
	text string
}

// Convert reads a file of a kind, or of the kind that its name tells, and returns the
// equivalent configuration, with a comment for each line that has none.
func Convert(r io.Reader, file, kindName string) (string, error) {
	k, err := kindOf(file, kindName)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxFile:
		return "", fmt.Errorf("%s is longer than %d MB: it is no configuration", file, maxFile>>20)
	case bytes.IndexByte(text, 0) >= 0:
		return "", fmt.Errorf("%s is not text: it is no configuration", file)
	}
	c := &conversion{kind: k.name}
	k.convert(c, c.lines(text))
	return c.toml(file), nil
}

func kindOf(file, name string) (kind, error) {
	for _, k := range kinds {
		if name == k.name || name == "" && k.file.MatchString(filepath.Base(file)) {
			return k, nil
		}
	}
	if name == "" {
		return kind{}, fmt.Errorf("the name of %s does not tell what it is; give --kind: %s", file, strings.Join(Kinds(), ", "))
	}
	return kind{}, fmt.Errorf("there is no kind %q; give one of %s", name, strings.Join(Kinds(), ", "))
}

// lines returns the lines that can be understood; the others get a comment.
func (c *conversion) lines(text []byte) (all []line) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxFile+1)
	for n := 1; lines.Scan(); n++ {
		s := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		switch {
		case s == "" || s[0] == '#':
		case len(s) > maxLine:
			c.no(line{n, s}, fmt.Sprintf("it is longer than %d octets", maxLine))
		case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			c.no(line{n, s}, "it is not text")
		default:
			all = append(all, line{n, s})
		}
	}
	return all
}

// no notes that a line has no equivalent.
func (c *conversion) no(l line, why string) { c.comments = append(c.comments, comment{l, why}) }

// terms makes rules that accept what one of the conditions holds for. They are several,
// because a condition has a greatest length.
func (c *conversion) terms(all []string) {
	const together = 40
	name := c.kind
	for i, some := range slices.Collect(slices.Chunk(all, together)) {
		if len(all) > together {
			name = fmt.Sprintf("%s-%d", c.kind, i+1)
		}
		c.rules = append(c.rules, rule{name: name, when: strings.Join(some, " ||\n  "), then: "accept"})
	}
}

// toml writes the conversion as a configuration.
func (c *conversion) toml(file string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Made of %s (%s).\n", address.Printable(file), c.kind)
	slices.SortStableFunc(c.comments, func(a, b comment) int { return cmp.Compare(a.n, b.n) })
	for _, l := range c.comments {
		fmt.Fprintf(&b, "\n# No equivalent has line %d: %s\n# %s\n", l.n, address.Printable(short(l.text)), address.Printable(short(l.why)))
	}
	if len(c.settings) > 0 {
		b.WriteString("\n[greylist]\n")
	}
	for _, key := range slices.Sorted(maps.Keys(c.settings)) {
		fmt.Fprintf(&b, "%s = %d\n", key, c.settings[key].value)
	}
	for _, r := range c.rules {
		fmt.Fprintf(&b, "\n[[rule]]\nname = %q\nwhen = %s\nthen = %q\n", r.name, literal(r.when), r.then)
		for _, key := range slices.Sorted(maps.Keys(r.windows)) {
			fmt.Fprintf(&b, "%s = %d\n", key, r.windows[key])
		}
		if r.reply != "" {
			fmt.Fprintf(&b, "reply = %q\n", r.reply)
		}
	}
	return b.String()
}

// short is a text, or its beginning.
func short(s string) string {
	const most = 200
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// literal is a TOML string, as readable as can be.
func literal(s string) string {
	switch {
	case strings.Contains(s, "'''"):
		return strconv.Quote(s)
	case strings.ContainsAny(s, "'\n"):
		return "'''\n  " + s + "'''"
	}
	return "'" + s + "'"
}

// pattern returns a condition by a regular expression, without regard to case.
func pattern(fact, expression string) (string, error) {
	if _, err := regexp.Compile(expression); err != nil {
		return "", fmt.Errorf("the regular expression has no equivalent: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return fact + " matches " + strconv.Quote("(?i)"+expression), nil
}
