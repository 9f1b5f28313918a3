package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"greyglass/greylist"
)

// TestExpect: what is expected is written, shown, asked for by a running daemon within two
// seconds, used once, cancelled and expired.
func TestExpect(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	d := s.serve()
	s.output("expect", "carl@example.org", "--once") // which is known as soon as the next one is
	said := s.output("expect", "<Bob@Example.ORG>", "--from", "@Example.NET", "--for=10m")
	if want := `^expected: mail to bob@example\.org from @example\.net, until [0-9 :-]{19} UTC\n$`; !regexp.MustCompile(want).MatchString(said) {
		t.Errorf("said %q", said)
	}
	want := func(sender, recipient string, reason string) {
		t.Helper()
		line := []string{`"msg":"decision"`, fmt.Sprintf(`"sender":%q`, sender), fmt.Sprintf(`"recipient":%q`, recipient)}
		n := len(d.find(line...))
		s.ask("203.0.113.7", sender, recipient)
		if got := d.waitMore(n, line...).str("reason"); got != reason {
			t.Errorf("%s to %s: %s, want %s", sender, recipient, got, reason)
		}
	}
	accepted := func() bool {
		return s.ask("203.0.113.7", "ann@example.net", "bob@example.org").Verdict == greylist.Accept
	}
	if took := eventually(t, "it is accepted", accepted); took > 10*time.Second { // two, but for a slow machine
		t.Errorf("known after %v", took)
	}
	want("bea@example.net", "bob@example.org", "expected")
	want("bea@example.com", "bob@example.org", "not-seen-before")
	explained := s.output("explain", "203.0.113.7", "bea@example.net", "bob@example.org")
	if fields(explained)["reason"] != "expected" || !strings.Contains(explained, "> expected mail") {
		t.Errorf("explained as\n%s", explained)
	}
	want("ann@example.com", "carl@example.org", "expected")
	want("ann@example.com", "carl@example.org", "way-too-soon") // it is greylisted as if it had not been expected

	var listed []expectedJSON
	if err := json.Unmarshal([]byte(s.output("expect", "--list", "--json")), &listed); err != nil || len(listed) != 2 {
		t.Fatalf("%+v, %v", listed, err)
	}
	if e := listed[0]; e.State != "open" || e.Recipient != "bob@example.org" || e.Sender != "@example.net" || e.Until-e.Since != 600 || e.Once || e.UsedAt != nil {
		t.Errorf("%+v", e)
	}
	if e := listed[1]; e.State != "used" || e.Sender != "*" || e.Until-e.Since != 1800 || !e.Once || e.UsedAt == nil {
		t.Errorf("%+v", e)
	}
	if table := s.output("expect", "--list"); !regexp.MustCompile(`(?m)^open +bob@example\.org +@example\.net +.* UTC|no +-$`).MatchString(table) {
		t.Errorf("listed\n%s", table)
	}

	if got := s.output("expect", "--cancel", "bob@example.org"); got != "cancelled: mail to bob@example.org from @example.net\n" {
		t.Errorf("cancelled: %q", got)
	}
	eventually(t, "it is cancelled", func() bool {
		return s.ask("203.0.113.7", "ann@example.net", "bob@example.org").Verdict != greylist.Accept
	})
	s.run("expect", "--cancel", "bob@example.org").fails(t, 1, "mail to bob@example.org from any sender is not expected")
	s.run("expect", "--cancel", "carl@example.org", "--from", "<>").fails(t, 1, "from <> is not expected")
	s.sql(func(db *sql.DB) error {
		_, err := db.Exec(`UPDATE expected SET since = 1, until = 2`)
		return err
	})
	s.output("expire")
	if got := s.output("expect", "--list", "--json"); got != "[]\n" {
		t.Errorf("after expiry: %s", got)
	}
}

// TestExpectRefused: what cannot be expected is refused, in one line.
func TestExpectRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"rules.allowed_domains": `["example.org"]`, "rules.allowed_sender_nets": `["192.0.2.0/24"]`})
	s.write("blocked.list", "@blocked.example\n")
	s.create()
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"", statusUsage, "RECIPIENT is missing"},
		{"bob@example.org carl@example.org", statusUsage, "unexpected argument"},
		{"bob", statusUsage, "is not one address; write it as bob@example.org"},
		{"@example.org", statusUsage, "is not one address"},
		{"*", statusUsage, "is not one address"},
		{"<>", statusUsage, "RECIPIENT"},
		{"bob@example.org --from bob", statusUsage, "--from: "},
		{"bob@example.org --for 0s", statusUsage, "--for 0s is no time"},
		{"bob@example.org --for soon", statusUsage, "--for: "},
		{"bob@example.org --for 8d", statusUsage, "--for 8d is more than 7d"},
		{"--list bob@example.org", statusUsage, "unexpected argument"},
		{"--list --once", statusUsage, "--list can only be combined with --json"},
		{"--cancel bob@example.org --for 1h", statusUsage, "--cancel can only be combined with --from"},
		{"bob@example.org --from ann@blocked.example", 1, `such mail is deferred before, with the reason blocked (sender is blocked by "@blocked.example", recipient is not excepted)`},
		{"bob@example.com", 1, "with the reason foreign-domain"},
	} {
		s.run(append([]string{"expect"}, strings.Fields(c.args)...)...).fails(t, c.status, c.says)
	}
	s.withStore(func(store greylist.Store) error {
		now := time.Now().Unix()
		var adding errgroup.Group
		for n := range greylist.MaxExpected {
			adding.Go(func() error {
				return store.Expect(t.Context(), greylist.Expectation{Recipient: fmt.Sprintf("%d@example.org", n), Sender: "*", Since: now, Until: now + 600})
			})
		}
		return adding.Wait()
	})
	s.run("expect", "bob@example.org").fails(t, 1, "nothing is expected: 1000 expectations are there already; greyglass expect --cancel ends some")
	s.output("expect", "--for=7d", "7@example.org")
}
