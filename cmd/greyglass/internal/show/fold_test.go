package show

import "testing"

func TestFold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line    string
		columns int
		want    string
	}{
		{"", 10, ""},
		{"one two three", 0, "one two three"},
		{"one two three", 13, "one two three"},
		{"one two three", 12, "one two\n  three"},
		{"one two three", 7, "one two\n  three"},
		{"one two three", 6, "one\n  two\n  three"},
		{"a word-that-is-long b", 5, "a\n  word-that-is-long\n  b"},
		{"ä ö ü ß é è", 5, "ä ö ü\n  ß é\n  è"},
	} {
		if got := Fold(c.line, c.columns, "  "); got != c.want {
			t.Errorf("%q in %d columns: %q, want %q", c.line, c.columns, got, c.want)
		}
	}
}
