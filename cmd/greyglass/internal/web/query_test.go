package web

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestParseQuery: what people write into the search field.
func TestParseQuery(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Query{
		"":                            {},
		" \t ":                        {},
		"ann@example.net":             {Address: "ann@example.net"},
		" <ann@example.net> ":         {Address: "<ann@example.net>"},
		`"a b"@example.net`:           {Address: `"a b"@example.net`},
		`"a, \"b"@example.net`:        {Address: `"a, \"b"@example.net`},
		"<>":                          {Address: "<>"},
		"example.net":                 {Domain: "example.net"},
		"@example.net":                {Domain: "example.net"},
		"@*.example.net":              {Domain: "example.net"},
		"*.example.net":               {Domain: "example.net"},
		".example.net":                {Domain: "example.net"},
		"203.0.113.7":                 {Client: "203.0.113.7"},
		"[203.0.113.7]":               {Client: "[203.0.113.7]"},
		"IPv6:2001:db8::1":            {Client: "IPv6:2001:db8::1"},
		"203.0.113.0/24":              {Client: "203.0.113.0/24"},
		"203.0.113":                   {Client: "203.0.113"},
		"2001:db8::/64":               {Client: "2001:db8::/64"},
		"spf:example.net":             {Client: "spf:example.net"},
		"name:example.net":            {Client: "name:example.net"},
		"ic2t-ku6w":                   {Code: "IC2T-KU6W"},
		"4XyZ0k1abc":                  {Word: "4XyZ0k1abc"},
		"1tABCD-0001Xy-2B":            {Word: "1tABCD-0001Xy-2B"},
		"12345":                       {Word: "12345"},
		"bob":                         {Word: "bob"},
		"ann@example.net bob@x.org":   {Sender: "ann@example.net", Recipient: "bob@x.org"},
		"<> bob@x.org":                {Sender: "<>", Recipient: "bob@x.org"},
		"ann@example.net -> bob@x.o":  {Sender: "ann@example.net", Recipient: "bob@x.o"},
		"ann@example.net → bob@x.org": {Sender: "ann@example.net", Recipient: "bob@x.org"},
		`"a->b"@x.net → bob@x.org`:    {Sender: `"a->b"@x.net`, Recipient: "bob@x.org"},
		`"a → b"@x.net`:               {Address: `"a → b"@x.net`},
		"a→b@x.net":                   {Address: "a→b@x.net"},
		"Ann <ann@example.net>":       {Address: "<ann@example.net>"},
		"Ann Example <ann@x.net>":     {Address: "<ann@x.net>"},
		`"Ann, B." <ann@x.net>`:       {Address: "<ann@x.net>"},
		"<ann@x.net> <bob@x.org>":     {Sender: "<ann@x.net>", Recipient: "<bob@x.org>"},
		"ann@example.net, bob@x.org;": {Sender: "ann@example.net", Recipient: "bob@x.org"},
	} {
		if got, err := ParseQuery(in); err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", in, got, err, want)
		}
	}
	q, err := ParseQuery("203.0.113.7 <> bob@example.org")
	if err != nil || q.Triplet == nil || *q.Triplet != [3]string{"203.0.113.7", "<>", "bob@example.org"} {
		t.Errorf("%+v, %v", q, err)
	}
	for _, in := range []string{"a b c d", `"a`, "@", "@*.", "\xff", strings.Repeat("x", maxQuery+1), "spf:mail.example.net", "[x", ".", "203.0.113.7 ann@example.net", "203.0.113.7 <ann@example.net>", "ann bob@x.org"} {
		if q, err := ParseQuery(in); err == nil {
			t.Errorf("%q: %+v", in, q)
		}
	}
}

// FuzzParseQuery: a query is one thing, and its parts are of what was written.
func FuzzParseQuery(f *testing.F) {
	for _, seed := range append([]string{triplet, "<> " + bob, "@*.example.net", "spf:example.net", "IC2T-KU6W", `"a b"@x "c"@y`, "203.0.113", "a→b"}, hostile...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := ParseQuery(s)
		if err != nil {
			if !utf8.ValidString(sentence(err)) {
				t.Errorf("%q: %q", s, err)
			}
			return
		}
		kinds := 0
		for _, part := range []string{q.Address, q.Domain, q.Client, q.Code, q.Word, q.Sender} {
			if part != "" {
				kinds++
			}
		}
		if q.Triplet != nil {
			kinds++
		}
		if kinds > 1 || (q.Sender == "") != (q.Recipient == "") {
			t.Errorf("%q: %+v", s, q)
		}
	})
}
