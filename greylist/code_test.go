package greylist

import (
	"regexp"
	"testing"
)

// The code of a triplet must never change: replies that were sent have it.
func TestCode(t *testing.T) {
	triplet := Triplet{"192.0.2.7", "ann@example.net", "bob@example.org"}
	if got, want := triplet.Code(), "IC2T-KU6W"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	seen := map[string]Triplet{triplet.Code(): triplet}
	for _, other := range []Triplet{
		{"192.0.2.8", "ann@example.net", "bob@example.org"},
		{"192.0.2.7", "ann@example.ne", "tbob@example.org"},
		{"192.0.2.7", "<>", "bob@example.org"},
		{"2001:db8::/64", "ann@example.net", "bob@example.org"},
	} {
		code := other.Code()
		if first, taken := seen[code]; taken || !regexp.MustCompile(`^[A-Z2-7]{4}-[A-Z2-7]{4}$`).MatchString(code) {
			t.Errorf("%s has the code %s, as %v", other, code, first)
		}
		seen[code] = other
	}
}

func TestParseCode(t *testing.T) {
	for s, want := range map[string]string{
		"ABCD-2345":  "ABCD-2345",
		"abcd-2345":  "ABCD-2345",
		" abcd2345 ": "ABCD-2345",
		"":           "",
		"ABCD-EFG":   "",
		"ABCD-EFGHI": "",
		"ABCD-EFG1":  "",
		"192.0.2.7":  "",
	} {
		if got, err := ParseCode(s); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", s, got, err, want)
		}
	}
}
