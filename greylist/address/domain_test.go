package address

import (
	"slices"
	"testing"
)

// TestDomain: an internationalized domain has one form, however it is written.
func TestDomain(t *testing.T) {
	for in, want := range map[string]string{
		"example.org":            "example.org",
		"Example.ORG.":           "example.org",
		"bücher.example":         "xn--bcher-kva.example",
		"BÜCHER.example":         "xn--bcher-kva.example",
		"bu\u0308cher.example":   "xn--bcher-kva.example", // u and a combining diaeresis
		"xn--bcher-kva.example":  "xn--bcher-kva.example",
		"XN--BCHER-KVA.Example.": "xn--bcher-kva.example",
		"faß.example":            "xn--fa-hia.example",
		"例え。テスト":                 "xn--r8jz45g.xn--zckzah",
		"例え.テスト。":                "xn--r8jz45g.xn--zckzah",
		"a_b.bücher.example":     "a_b.bücher.example", // does not convert
		"-ü-.example":            "-ü-.example",
		"[192.0.2.7]":            "[192.0.2.7]",
		"":                       "",
	} {
		got := Domain(in)
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
		if again := Domain(got); again != got {
			t.Errorf("%q becomes %q, and that %q", in, got, again)
		}
		if folded := Fold("Ann@" + in); in != "" && folded != "ann@"+want {
			t.Errorf("ann@%s folds to %q", in, folded)
		}
	}
	if got := FoldUnconverted("Ann@BÜCHER.example."); got != "ann@bücher.example" {
		t.Errorf("unconverted: %q", got)
	}
}

// TestForms: an address is also found in the forms of earlier versions, however it is written.
func TestForms(t *testing.T) {
	for written, want := range map[string][]string{
		"<Ann@Example.org>":         {"ann@example.org"},
		"<>":                        {"<>"},
		"bob":                       {"bob"},
		"ann@BÜCHER.example":        {"ann@xn--bcher-kva.example", "ann@bücher.example"},
		"ann@xn--bcher-kva.example": {"ann@xn--bcher-kva.example", "ann@bücher.example"},
		"ann@a_b.ü.example":         {"ann@a_b.ü.example"},
	} {
		if got := Forms(written); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", written, got, want)
		}
	}
}

// TestInternationalizedPatterns: in lists, both forms are one.
func TestInternationalizedPatterns(t *testing.T) {
	for _, written := range []string{"bücher.example", "xn--bcher-kva.example", "BÜCHER.Example"} {
		list := mustPatterns(t, Senders, "ann@"+written, "@mail."+written, "@*."+written)
		for _, domain := range []string{"bücher.example", "xn--bcher-kva.example"} {
			for _, address := range []string{"ann@" + domain, "x@mail." + domain, "x@a.b." + domain} {
				if _, ok := list.Match(Fold(address)); !ok {
					t.Errorf("%s: %s does not match", written, address)
				}
			}
			if pattern, ok := list.Match(Fold("bob@" + domain)); ok {
				t.Errorf("%s: bob@%s matches %s", written, domain, pattern)
			}
		}
		var allowed Patterns
		if err := allowed.AddDomain(written); err != nil {
			t.Fatal(err)
		}
		if _, ok := allowed.MatchDomain(Domain("bücher.example")); !ok {
			t.Errorf("%s: not an allowed domain", written)
		}
	}
}
