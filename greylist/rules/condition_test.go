package rules

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/problem"
)

// testLists are the list files of these tests.
var testLists = map[ListFile]string{
	{SenderList, "senders"}:        "ann@example.net\n@*.example.com\n",
	{RecipientList, "recipients"}:  "abuse@\nexample.info\nbob@example.org\n/^no-?reply@/\n",
	{RecipientList, "expressions"}: "/^example/\n", // of the whole address, not of its domain
	{ClientList, "clients"}:        "192.0.2.0/28\nexample.net\n.example.com\n/^mx\\d+\\.example\\.info$/ # pool\n",
}

func testScope(t testing.TB) Scope {
	return Scope{Blocklists: []string{"bl.example"}, List: func(file ListFile) *List {
		list, err := ParseList(strings.NewReader(testLists[file]), file)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}}
}

// aFriday is a Friday, at half past nine in the evening.
var aFriday = time.Date(2026, time.May, 8, 21, 30, 0, 0, time.Local)

func testFacts() *Facts {
	f := NewFacts(&greylist.Attempt{
		Client:      greylist.ParseClient("192.0.2.7"),
		ClientName:  "MX1.Example.net.",
		Helo:        "Mail.example.net",
		Sender:      "<Ann.Smith@Example.net>",
		Recipient:   "<Bob+list@example.org>",
		VerifiedTLS: true,
	}, nil)
	f.Now = aFriday.Unix
	return f
}

var conditions = []struct {
	when string
	want bool
}{
	{`true`, true},
	{`client_address == "192.0.2.7"`, true},
	{`client_address == "::ffff:192.0.2.7"`, true},
	{`client_address in ["192.0.2.8", "2001:DB8::1"]`, false},
	{`client_name == "mx1.example.net"`, true},
	{`client_name == "MX1.EXAMPLE.NET."`, true},
	{`client_name == ""`, false},
	{`client_name endsWith ".Example.NET"`, true},
	{`client_name matches "^MX[0-9]"`, true},
	{`client_name matches "^\\d"`, false},
	{`helo_name == client_name`, false},
	{`helo_name startsWith "mail." and helo_name contains "EXAMPLE"`, true},
	{`client_in("192.0.2")`, true},
	{`client_in("192.0.2.0/29") && !client_in("192.0.2.8/29")`, true},
	{`client_in("2001:db8::/32")`, false},
	{`client_tls`, true},
	{`not client_tls or client_dynamic`, false},
	{`sender == "ann.smith@example.net"`, true},
	{`sender == "<ANN.SMITH@EXAMPLE.NET>"`, true},
	{`"ann.smith@example.net" != sender`, false},
	{`sender == "<>"`, false},
	{`sender_local == "Ann.Smith" && sender_domain == "example.net"`, true},
	{`sender_domain in ["example.com", "Example.Net"]`, true},
	{`sender_domain not in ["example.com"]`, true},
	{`recipient_local startsWith "bob+" && recipient_domain == "example.org"`, true},
	{`recipient == "bob+list@" + "example.org"`, true},
	{`hour == 21`, true},
	{`hour in 8..17`, false},
	{`hour in [20, 21]`, true},
	{`hour >= 18 || hour < 8`, true},
	{`weekday == 5 and not (weekday in [0, 6])`, true},
	{`weekday < hour and 5 <= weekday and weekday > 4 and hour != weekday`, true},
	{`client_tls ? hour > 20 : hour < 8`, true},
	{`sender in list("senders")`, false},
	{`recipient in list("recipients")`, true},
	{`recipient in list("expressions")`, false},
	{`client_name in list("clients")`, true},
	{`client_in_list("clients")`, true},
	{`!(recipient in list("recipients")) || client_name in list("clients")`, true},
	// Beyond what closures know.
	{`lower(helo_name) == helo_name`, true},
	{`len(sender_local) > 8`, true},
	{`any(["example.com", ".net"], sender_domain endsWith #)`, true},
	{`split(sender, "@")[1] == sender_domain`, true},
	{`split(sender, "@")[7] == sender_domain`, false}, // there is none
	{`any(["x", "y"], sender in list("senders")) or client_tls`, true},
}

// TestConditions asks each condition by a function where there can be one, and by
// the machine of the expression language.
func TestConditions(t *testing.T) {
	for _, c := range conditions {
		condition, err := Compile(c.when, testScope(t))
		if err != nil {
			t.Errorf("%s: %v", c.when, err)
			continue
		}
		if got := condition.Holds(testFacts()); got != c.want {
			t.Errorf("%s: %v", c.when, got)
		}
		program, _ := program(c.when, testScope(t))
		if got := onMachine(program)(testFacts()); got != c.want {
			t.Errorf("%s: %v by the machine", c.when, got)
		}
	}
}

// TestNullSender: it has no parts, and is written as everywhere else.
func TestNullSender(t *testing.T) {
	f := NewFacts(&greylist.Attempt{Recipient: "postmaster"}, nil)
	for _, when := range []string{`sender == "<>"`, `sender == ""`, `sender_local == "" && sender_domain == ""`,
		`recipient_local == "postmaster" && recipient_domain == ""`, `client_name == "" && client_address endsWith ""`} {
		c, err := Compile(when, testScope(t))
		if err != nil || !c.Holds(f) {
			t.Errorf("%s: %v", when, err)
		}
	}
}

// TestFactsAreAskedForLazily: no fact is asked for that does not matter any more.
func TestFactsAreAskedForLazily(t *testing.T) {
	for when, want := range map[string]string{
		`client_tls || sender == "a@b.example"`:                                  "client_tls=true",
		`!client_tls && sender == "a@b.example"`:                                 "client_tls=true",
		`client_in("192.0.2.0/24") && hour == 3`:                                 `client_in("192.0.2.0/24")=true hour=21`,
		`client_tls ? sender_domain == "x.example" : recipient == "a@b.example"`: `client_tls=true sender_domain="example.net"`,
		`recipient in list("recipients")`:                                        `recipient="bob+list@example.org" recipient in list("recipients")=by "bob@example.org"`,
		`lower(helo_name) == "x" && hour == 3`:                                   `helo_name="mail.example.net"`,
	} {
		c, err := Compile(when, testScope(t))
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		f := testFacts()
		f.told = func(name, value string) { told = append(told, name+"="+value) }
		c.Holds(f)
		if got := strings.Join(told, " "); got != want {
			t.Errorf("%s:\n got %s\nwant %s", when, got, want)
		}
	}
}

// TestBoundedConditions: what would take time or memory without a bound is refused.
func TestBoundedConditions(t *testing.T) {
	for _, when := range []string{
		`reduce(1..50, #acc + #acc, sender) == ""`,
		`let a = sender + sender; let b = a + a; b == ""`,
		`repeat("x", 1000000000) == sender`,
		`any(1..1000, any(1..1000, any(1..1000, false)))`,
		`len(map(1..1000000, #)) > 0`,
		`now().Year() > 2000`,
		`$env["sender()"] == sender`,
		strings.Repeat("(", 20_000) + "client_tls" + strings.Repeat(")", 20_000),
		strings.Repeat("!", 20_000) + "client_tls",
		"sender == " + strings.Repeat(`"x" + `, 3000) + `"x"`,
	} {
		began := time.Now()
		_, err := Compile(when, testScope(t))
		if wrong := new(problem.Error); !errors.As(err, &wrong) {
			t.Errorf("%.60s: %v", when, err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%.60s: took %v", when, took)
		}
	}
	c, err := Compile(`any(1..100000000, # == 5)`, testScope(t))
	if err == nil && c.Holds(testFacts()) {
		t.Error("a condition built a list of a hundred million")
	}
}

// FuzzCompile: whatever is written there, compiling it neither panics nor takes for
// ever, and a function says what the machine says.
func FuzzCompile(f *testing.F) {
	for _, c := range conditions {
		f.Add(c.when)
	}
	f.Fuzz(func(t *testing.T, when string) {
		empty := Scope{List: func(file ListFile) *List { return &List{File: file} }}
		c, err := Compile(when, empty)
		if err != nil {
			wrong := new(problem.Error)
			if !errors.As(err, &wrong) || !strings.Contains(wrong.Where, "column ") || wrong.Detail == "" {
				t.Fatalf("%q: %v", when, err)
			}
			return
		}
		program, err := program(when, empty)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := c.Holds(testFacts()), onMachine(program)(testFacts()); got != want {
			t.Errorf("%q: %v, by the machine %v", when, got, want)
		}
	})
}

// BenchmarkConditions asks a thousand conditions of which none holds.
func BenchmarkConditions(b *testing.B) {
	for name, when := range map[string]string{
		"domain":  `sender_domain == "example%d.com"`,
		"network": `client_in("10.%d.0.0/16") && client_name endsWith ".example.net"`,
		"several": `recipient == "a%d@b.example" || recipient in ["c@d.example", "e@f.example"]`,
		"hours":   `hour >= 8 && hour < 9 && sender_local == "a%d"`,
		"machine": `len(sender_local) == %d`,
	} {
		b.Run(name, func(b *testing.B) {
			var all []*Condition
			for i := range 1000 {
				c, err := Compile(fmt.Sprintf(when, 100+i%100), testScope(b))
				if err != nil {
					b.Fatal(err)
				}
				all = append(all, c)
			}
			f := testFacts()
			b.ReportAllocs()
			for b.Loop() {
				for _, c := range all {
					if c.Holds(f) {
						b.Fatal("holds")
					}
				}
			}
		})
	}
}
