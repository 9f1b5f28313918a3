package address

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

func TestParseList(t *testing.T) {
	const file = "\ufeff# blocked, one a line\n" +
		"spam@example.com\r\n" +
		"\n" +
		"   \t\n" +
		"  # a comment that is indented\n" +
		"#jane@example.org\n" +
		"\t<Bulk@Example.net> \n" +
		"@bulk.example\n" +
		"@*.bulk.example\n" +
		"<>" // the last line need not end
	p, err := ParseList(strings.NewReader(file), "blocked.list", Senders)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"spam@example.com":     true,
		"bulk@example.net":     true,
		"x@bulk.example":       true,
		"x@mx.bulk.example":    true,
		NullSender:             true,
		"jane@example.org":     false,
		"#jane@example.org":    false,
		"postmaster@localhost": false,
	} {
		if _, ok := p.Match(address); ok != want {
			t.Errorf("%s matches: %v, want %v", address, ok, want)
		}
	}
}

func TestParseListWithoutEntries(t *testing.T) {
	for _, file := range []string{"", "\n", "\ufeff", "# nothing\n\n#\n"} {
		if p, err := ParseList(strings.NewReader(file), "blocked.list", Senders); err != nil || !p.Empty() {
			t.Errorf("%q: empty %v, %v", file, p.Empty(), err)
		}
	}
}

func TestBadList(t *testing.T) {
	longest := strings.Repeat("a", maxListLine-len("@example.org\n")) + "@example.org\n"
	if _, err := ParseList(strings.NewReader(longest), "blocked.list", Senders); err != nil {
		t.Errorf("the longest line: %v", err)
	}
	for _, c := range []struct{ name, file, want string }{
		{"every bad line is named with its number",
			"# comment\njohn\n\ngood@example.org\n<bad\n@example..org\n",
			`blocked.list:2: "john" is not an address; write user@example.org, or @example.org for a whole domain
blocked.list:5: "<bad" has an angle bracket without its partner
blocked.list:6: "@example..org" is not a pattern: "example..org" is not a domain; write it as example.org`},
		{"a comment behind an entry", "spam@example.com # spam\n",
			`blocked.list:1: "spam@example.com # spam" holds a space; write one address`},
		{"Latin-1", "a@example.org\nj\xfcrgen@example.org\n", "blocked.list:2: not UTF-8 text"},
		{"UTF-16", "\xff\xfea\x00@\x00b\x00", "blocked.list:1: not UTF-8 text"},
		{"a control character", "a\x00@example.org\n", `blocked.list:1: "a\x00@example.org" is not an address`},
		{"a byte order mark further on", "a@example.org\n\ufeffb@example.org", `blocked.list:2: "\ufeffb@example.org" is not an address`},
		{"a line too long", "bad\n" + "a" + longest + "unread",
			`blocked.list:1: "bad" is not an address; write user@example.org, or @example.org for a whole domain
blocked.list:2: longer than 4096 octets`},
	} {
		p, err := ParseList(strings.NewReader(c.file), "blocked.list", Senders)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.name, err, c.want)
		}
		if !p.Empty() {
			t.Errorf("%s: a part of the list comes with the error", c.name)
		}
	}
}

func TestListThatCannotBeRead(t *testing.T) {
	broken := errors.New("the disk is on fire")
	_, err := ParseList(iotest.ErrReader(broken), "blocked.list", Senders)
	if !errors.Is(err, broken) || err.Error() != "blocked.list: the disk is on fire" {
		t.Errorf("got %v", err)
	}
}

// FuzzParseList: a list matches what its lines match, each for itself.
func FuzzParseList(f *testing.F) {
	f.Fuzz(func(t *testing.T, file []byte, recipients bool) {
		whose := Senders
		if recipients {
			whose = Recipients
		}
		list, err := ParseList(strings.NewReader(string(file)), "list", whose)
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "list:") || !utf8.ValidString(line) {
					t.Errorf("an error does not begin with file and line: %q", line)
				}
			}
			if !list.Empty() {
				t.Error("a part of the list comes with the error")
			}
			return
		}
		var single []Patterns
		probes := []string{NullSender, "john", "john@example.org", "john@a.b.example.org"}
		for line := range strings.Lines(strings.TrimPrefix(string(file), "\ufeff")) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			p, err := ParsePatterns(whose, line)
			if err != nil {
				t.Fatalf("%q is taken as a line, but not for itself: %v", line, err)
			}
			single = append(single, p)
			probes = append(probes, Fold(line), Fold(line+"@example.org"), Fold("john"+strings.Replace(line, "*", "mx", 1)))
		}
		for _, probe := range probes {
			want := false
			for _, p := range single {
				_, ok := p.Match(probe)
				want = want || ok
			}
			if pattern, got := list.Match(probe); got != want {
				t.Errorf("%q matches the list: %v (%q); one of its lines: %v", probe, got, pattern, want)
			}
		}
	})
}
