package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/greylist"
	"greyglass/sqlstore/storetest/faulty"
)

func TestPassAndForget(t *testing.T) {
	t.Parallel()
	eitherWay(t, nil, func(t *testing.T, s *site) {
		now := time.Now().Unix()
		waiting := greylist.Entry{FirstSeen: now - 10, LastSeen: now - 10, Deferred: 1}
		passed := greylist.Entry{FirstSeen: now - 9000, LastSeen: now - 5000, PassedAt: now - 5000, Deferred: 1, Accepted: 1}
		s.remember("203.0.113.1", "waiting@example.net", "bob@example.org", waiting)
		s.remember("203.0.113.1", "passed@example.net", "bob@example.org", passed)
		for _, c := range []struct{ client, sender, known string }{
			{"203.0.113.1", "unseen@example.net", "203.0.113.1 unseen@example.net bob@example.org"},
			{"203.0.113.1", "<Waiting@Example.net>", "203.0.113.1 waiting@example.net bob@example.org"},
			{"::ffff:203.0.113.1", "passed@example.net", "203.0.113.1 passed@example.net bob@example.org"},
			{"2001:db8:1::25", "", "2001:db8:1::/64 <> bob@example.org"},
			{"2001:db8:2::/64", "<>", "2001:db8:2::/64 <> bob@example.org"},
		} {
			if got := s.output("pass", c.client, c.sender, "bob@example.org"); got != "passed: "+c.known+"\naccepted at the sender's next attempt\n" {
				t.Errorf("pass %s %q: %s", c.client, c.sender, got)
			}
			if got := fields(s.output("explain", c.client, c.sender, "bob@example.org"))["reason"]; got != "already-grey" {
				t.Errorf("after pass %s %q: %s", c.client, c.sender, got)
			}
			if got := s.output("forget", c.client, c.sender, "BOB@example.org"); got != "forgotten: "+c.known+"\ndeferred at the sender's next attempt; a retry passes 1 hour later\n" {
				t.Errorf("forget %s %q: %s", c.client, c.sender, got)
			}
			s.run("forget", c.client, c.sender, "bob@example.org").fails(t, statusFailed, "nothing is known of "+c.known)
			if got := fields(s.output("explain", c.client, c.sender, "bob@example.org"))["reason"]; got != "not-seen-before" {
				t.Errorf("after forget %s %q: %s", c.client, c.sender, got)
			}
		}
		if left := s.records(); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
		s.run("pass", "203.0.113.0/24", "a@x", "b@y").fails(t, statusUsage, "CLIENT", "clients are stored by 32")
		s.run("forget", "2001:db8::/32", "a@x", "b@y").fails(t, statusUsage, "CLIENT", "clients are stored by 64")
	})
}

// TestChangeSelected: pass and forget take patterns, and change nothing unless that is
// confirmed.
func TestChangeSelected(t *testing.T) {
	t.Parallel()
	eitherWay(t, nil, func(t *testing.T, s *site) {
		now := time.Now().Unix()
		for n := range 3 {
			s.remember("203.0.113.1", fmt.Sprintf("s%d@mail.shop.example", n), "bob@example.org", greylist.Entry{FirstSeen: now - 10, LastSeen: now - 10, Deferred: 1})
		}
		s.remember("203.0.113.1", "ann@example.net", "bob@example.org", greylist.Entry{FirstSeen: now - 10, LastSeen: now - 10, Deferred: 1})
		s.run("pass", "--domain", "shop.example").fails(t, statusUsage, "3 triplets selected; add --yes to pass them")
		s.run("pass", "--domain", "shop.example", "203.0.113.1").fails(t, statusUsage)
		s.run("pass", "--sender", "ann@", "--yes").fails(t, statusUsage, "--sender")
		s.run("forget", "--sender", "", "--recipient", "bob@example.org", "--yes").fails(t, statusUsage, "--sender is empty")
		s.run("pass", "--domain", "elsewhere.example", "--yes").fails(t, statusFailed, "no triplet waits that is selected")
		if got := s.output("list", "--passed", "--json"); got != "[]\n" {
			t.Errorf("passed: %s", got)
		}
		if got, want := s.output("pass", "--domain", "shop.example", "--recipient", "bob", "--yes"), "passed: 3 triplets; accepted at the sender's next attempt\n"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		for n := range 3 {
			if got := fields(s.output("explain", "203.0.113.1", fmt.Sprintf("s%d@mail.shop.example", n), "bob@example.org"))["reason"]; got != "already-grey" {
				t.Errorf("s%d after pass: %s", n, got)
			}
		}
		s.run("pass", "--domain", "shop.example", "--yes").fails(t, statusFailed, "no triplet waits that is selected")
		s.run("forget", "--recipient", "bob@example.org", "--client", "203.0.113.1").fails(t, statusUsage, "cannot be combined")
		s.run("forget", "--sender", "@*.shop.example").fails(t, statusUsage, "3 triplets selected; add --yes to forget them")
		if got := s.output("forget", "--sender", "@*.shop.example", "--yes"); got != "forgotten: 3 triplets; the next mail of each is judged as that of an unknown sender\n" {
			t.Errorf("printed %s", got)
		}
		if left := s.records(); len(left) != 1 {
			t.Errorf("left: %v", left)
		}
	})
}

// TestChangeSelectedOnATerminal: there a question is asked.
func TestChangeSelectedOnATerminal(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.create()
	for n := range 7 {
		s.remember("203.0.113.1", fmt.Sprintf("s%d@shop.example", n), "bob@example.org", greylist.Entry{FirstSeen: 1, LastSeen: 1, Deferred: 1})
	}
	if got := s.onTerminal(80, "n\n", "forget", "--domain shop.example"); !strings.Contains(got, "203.0.113.1 s4@shop.example bob@example.org\nand 2 more\nForget 7 triplets? [y/N]") || !strings.Contains(got, "nothing changed") {
		t.Errorf("printed %s", got)
	}
	if n := len(s.records()); n != 7 {
		t.Errorf("%d are left", n)
	}
	if got := s.onTerminal(80, "y\n", "forget", "--domain shop.example"); !strings.HasSuffix(got, "forgotten: 7 triplets; the next mail of each is judged as that of an unknown sender\n") {
		t.Errorf("printed %s", got)
	}
	if n := len(s.records()); n != 0 {
		t.Errorf("%d are left", n)
	}
}

// TestChangeTranscript: what pass and forget say on a terminal of 80x24, word by word; narrow,
// and with colours that are not wanted; hostile addresses are harmless.
func TestChangeTranscript(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.create()
	s.environ = append(s.environ, "NO_COLOR=1")
	s.remember("203.0.113.1", "s1@shop.example", "bob@example.org", greylist.Entry{FirstSeen: 1, LastSeen: 1, Deferred: 1})
	s.remember("203.0.113.2", "a\x1b[31m\u202eb@shop.example", "bob@example.org", greylist.Entry{FirstSeen: 1, LastSeen: 1, Deferred: 1})
	const both = "203.0.113.1 s1@shop.example bob@example.org\n203.0.113.2 a\\x1b[31m\\u{202e}b@shop.example bob@example.org\n"
	for _, c := range []struct {
		columns               int
		answer, command, args string
		want                  string
	}{
		{80, "n\n", "pass", "--domain shop.example; true", both + "Pass 2 triplets? [y/N] greyglass: nothing changed\n"},
		{80, "y\n", "pass", "--domain shop.example", both + "Pass 2 triplets? [y/N] passed: 2 triplets; accepted at the sender's next attempt\n"},
		{40, "", "pass", "203.0.113.1 s1@shop.example bob@example.org", "passed: 203.0.113.1 s1@shop.example bob@example.org\naccepted at the sender's next attempt\n"},
		{40, "yes\n", "forget", "--recipient bob", both + "Forget 2 triplets? [y/N] forgotten: 2 triplets; the next mail of each is judged as that of an unknown sender\n"},
	} {
		got := s.onTerminal(c.columns, c.answer, c.command, c.args)
		got = strings.TrimPrefix(got, c.answer) // which the terminal shows
		if got != c.want || strings.ContainsAny(got, "\x1b\u202e") {
			t.Errorf("%s %s: printed\n%q, want\n%q", c.command, c.args, got, c.want)
		}
	}
}

// TestAddressesAreChecked: what is no address is asked back, and an address is taken out of
// the form in which mail programs show it.
func TestAddressesAreChecked(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.create()
	for _, c := range []struct{ sender, recipient, says string }{
		{"ann", "bob@example.org", `SENDER "ann" has no domain; write it as ann@example.net`},
		{"ann@example.net", "bob", `RECIPIENT "bob" has no domain; write it as bob@example.net`},
		{"ann@example.net", "", "RECIPIENT is empty"},
		{"ann@", "bob@example.org", `SENDER "ann@" has nothing after the @`},
		{"@example.net", "bob@example.org", "is a pattern, which --sender and --recipient take"},
		{"*@example.net", "bob@example.org", "is a pattern"},
	} {
		for _, command := range []string{"pass", "forget", "explain", "probe"} {
			s.run(command, "203.0.113.7", c.sender, c.recipient).fails(t, statusUsage, c.says)
		}
	}
	for _, c := range []struct{ sender, recipient, triplet string }{
		{"Ann <ann@example.net>", `"Bob, Jr." <Bob@example.org>`, "203.0.113.7 ann@example.net bob@example.org"},
		{" ann@example.net ", "<bob@example.org>", "203.0.113.7 ann@example.net bob@example.org"},
		{"<ann>", "Postmaster", "203.0.113.7 ann postmaster"},
		{`<"a<b"@example.net>`, "bob@example.org", `203.0.113.7 "a<b"@example.net bob@example.org`},
	} {
		if got := s.output("pass", "203.0.113.7", c.sender, c.recipient); !strings.HasPrefix(got, "passed: "+c.triplet+"\n") {
			t.Errorf("pass %s %s: %s", c.sender, c.recipient, got)
		}
	}
	if got := s.list("--sender", "Ann <ann@example.net>"); len(got) != 1 {
		t.Errorf("listed: %v", got)
	}
	if got := s.output("expect", "Bob <bob@example.org>", "--from", "Ann <ann@example.net>"); !strings.HasPrefix(got, "expected: mail to bob@example.org from ann@example.net,") {
		t.Errorf("expect: %s", got)
	}
}

// TestPassAsksTheRules: what keeps mail from being accepted all the same is said at once.
func TestPassAsksTheRules(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"rules.allowed_domains": `["example.org"]`, "rules.allowed_senders": `["198.51.100.7"]`})
	s.create()
	s.write("blocked.list", "@spam.example\n")
	for _, c := range []struct{ client, sender, recipient, stdout, stderr string }{
		{"203.0.113.7", "ann@example.net", "bob@example.org", "accepted at the sender's next attempt", ""},
		{"198.51.100.7", "ann@example.net", "bob@example.org", "accepted at the sender's next attempt in any case (allowed-client: ", ""},
		{"203.0.113.7", "ann@spam.example", "bob@example.org", "", `greyglass: the sender's next attempt will be deferred all the same (blocked: sender is blocked by "@spam.example"`},
		{"203.0.113.7", "ann@example.net", "bob@elsewhere.example", "", "greyglass: the sender's next attempt will be deferred all the same (foreign-domain: "},
	} {
		s.remember(c.client, c.sender, c.recipient, greylist.Entry{FirstSeen: 1, LastSeen: 1, Deferred: 1})
		r := s.run("pass", c.client, c.sender, c.recipient)
		if r.status != 0 || !strings.HasPrefix(r.stdout, fmt.Sprintf("passed: %s %s %s\n%s", c.client, c.sender, c.recipient, c.stdout)) || !strings.HasPrefix(r.stderr, c.stderr) || c.stderr == "" && r.stderr != "" {
			t.Errorf("pass %s: status %d\n%s%s", c.sender, r.status, r.stdout, r.stderr)
		}
	}
	for n := range 3 {
		s.remember("203.0.113.7", fmt.Sprintf("s%d@spam.example", n), "bob@example.org", greylist.Entry{FirstSeen: 1, LastSeen: 1, Deferred: 1})
	}
	const first = "203.0.113.7 s0@spam.example bob@example.org"
	r := s.run("pass", "--domain", "spam.example", "--yes", "--json")
	if want := `"obstacles":[{"client":"203.0.113.7","sender":"s0@spam.example","recipient":"bob@example.org","says":"the sender's next attempt will be deferred all the same (blocked: `; r.status != 0 ||
		!strings.Contains(r.stdout, want) || !strings.Contains(r.stdout, `"says":["passed: 3 triplets; but none of them will be accepted at the sender's next attempt"]`) {
		t.Errorf("status %d\n%s%s", r.status, r.stdout, r.stderr)
	}
	for n := range 3 {
		s.remember("203.0.113.7", fmt.Sprintf("s%d@spam.example", n), "bob@example.org", greylist.Entry{FirstSeen: 1, LastSeen: 1, Deferred: 1})
	}
	s.remember("203.0.113.7", "ann@shop.example", "bob@example.org", greylist.Entry{FirstSeen: 1, LastSeen: 1, Deferred: 1})
	r = s.run("pass", "--recipient", "bob@example.org", "--yes")
	if want := "greyglass: " + first + ": the sender's next attempt will be deferred all the same (blocked: "; r.status != 0 ||
		!strings.HasPrefix(r.stderr, want) || strings.Count(r.stderr, "\n") != 1 || r.stdout != "passed: 4 triplets; 1 of them will be accepted at the sender's next attempt\n" {
		t.Errorf("status %d\n%s%s", r.status, r.stdout, r.stderr)
	}
	if r := s.run("forget", "203.0.113.7", "ann@spam.example", "bob@example.org"); !strings.Contains(r.stderr, "blocked: ") {
		t.Errorf("forget: %s%s", r.stdout, r.stderr)
	}
}

// TestPassWhereTheDatabaseFails: what is not known is not promised.
func TestPassWhereTheDatabaseFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		onError, says string
		verdict       greylist.Verdict
	}{
		{"accept", "accepted", greylist.Accept}, {"defer", "deferred", greylist.Defer},
	} {
		loaded, err := config.Load(config.Source{Set: []string{"store.on_error=" + c.onError, "blocked.senders_file=", "blocked.exceptions_file="}})
		if err != nil {
			t.Fatal(err)
		}
		store := faulty.New()
		store.Fail(errors.New("out of order"))
		words, expected := nextAttempt(t.Context(), loaded.Policy, store, greylist.Triplet{Client: "203.0.113.7", Sender: "ann@example.net", Recipient: "bob@example.org"})
		if want := "the rules cannot be asked, and as long as that fails the sender's next attempt will be " + c.says + " (store.on_error): expected mail: out of order"; words != want || expected {
			t.Errorf("on_error = %s: %q, want %q", c.onError, words, want)
		}
	}
}

// TestAskedForTheDomain: on a terminal, an address without a domain is asked for.
func TestAskedForTheDomain(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.create()
	for _, c := range []struct{ command, args, says string }{
		{"pass", "203.0.113.7 ann bob@example.org", "SENDER \"ann\" has no domain. Which address is meant? "},
		{"expect", "ann", "RECIPIENT \"ann\" has no domain. Which address is meant? "},
	} {
		got := s.onTerminal(80, "ann@example.net\n", c.command, c.args)
		if !strings.Contains(got, c.says) || !strings.Contains(got, "ed: ") || !strings.Contains(got, "ann@example.net") {
			t.Errorf("%s %s: %s", c.command, c.args, got)
		}
	}
	if got := s.records(); len(got) != 1 || got[0].Sender != "ann@example.net" {
		t.Errorf("remembered: %v", got)
	}
	s.run("expect", "ann").fails(t, statusUsage, `RECIPIENT "ann" is not one address; write it as bob@example.org`)
}

// TestQuestionInterrupted: Ctrl-C in the place of the answer ends the command.
func TestQuestionInterrupted(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, c := range []struct{ command, args string }{{"pass", "203.0.113.7 ann bob@example.org"}, {"expect", "ann"}} {
		cmd := s.terminal(80, c.command, c.args)
		cmd.Args[1] = "-qec" // with the exit status of the command
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		screen := bufio.NewReader(out)
		if _, err := screen.ReadString('?'); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(in, "\x03"); err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(screen)
		_ = cmd.Wait()
		if cmd.ProcessState.ExitCode() != statusFailed || !strings.Contains(string(rest), "greyglass: interrupted") {
			t.Errorf("%s: status %d, %q", c.command, cmd.ProcessState.ExitCode(), rest)
		}
	}
}

// TestCommandsAreLogged: the daemon logs who ran which command, also what was run before it
// was started.
func TestCommandsAreLogged(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.create()
	s.output("pass", "203.0.113.7", "ann@example.net", "bob@example.org", "--set", "greylist.too_soon=7")
	d := s.serve()
	s.output("forget", "--recipient", "bob@example.org", "--yes")
	s.output("expect", "bob@example.org", "--from", "@shop.example", "--for", "10m")
	s.output("pass", "203.0.113.7", "\xe4@example.net", "bob@example.org") // PostgreSQL stores UTF-8 only
	s.output("list")
	want := []string{
		"pass 203.0.113.7 ann@example.net bob@example.org",
		"forget --recipient bob@example.org (1 triplet)",
		"expect --for 10m --from @shop.example bob@example.org",
		`pass 203.0.113.7 '\xe4@example.net' bob@example.org`,
	}
	d.waitMore(len(want)-1, `"msg":"admin"`)
	for i, line := range d.find(`"msg":"admin"`) {
		if i >= len(want) || line.str("command") != want[i] || fmt.Sprint(line["uid"]) != fmt.Sprint(os.Getuid()) || line.str("host") != hostname() {
			t.Errorf("logged %v", line)
		}
	}
}

// A row of an earlier version, whose domain is not in its form for the DNS, is found by
// either form.
func TestUnconvertedRowIsFound(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.create()
	for _, sender := range []string{"ann@bücher.example", "ann@xn--bcher-kva.example"} {
		s.remember("203.0.113.1", "ann@bücher.example", "bob@bücher.example", greylist.Entry{FirstSeen: 1, LastSeen: 1, Deferred: 1})
		for _, args := range [][]string{{"--sender", sender}, {"--recipient", strings.Replace(sender, "ann", "bob", 1), "--client", "203.0.113.1"}} {
			if got := s.output(append([]string{"list"}, args...)...); !strings.Contains(got, "ann@bücher.example") {
				t.Errorf("list %v: %s", args, got)
			}
		}
		if got := s.output("forget", "203.0.113.1", sender, "bob@BÜCHER.example"); !strings.HasPrefix(got, "forgotten: 203.0.113.1 ann@bücher.example bob@bücher.example\n") {
			t.Errorf("forget %s: %s", sender, got)
		}
	}
}

// What was passed by hand keeps its history.
func TestPassKeepsWhatIsKnown(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.rememberAll()
	before := time.Now().Unix()
	s.output("pass", "203.0.113.7", "ann@example.net", "bob@example.org")
	r := s.list("--client", "203.0.113.7", "--recipient", "bob@example.org")[0]
	want := remembered[0].Entry
	if want.PassedAt = r.PassedAt; r.Entry != want || r.PassedAt < before || r.PassedAt > time.Now().Unix() {
		t.Errorf("%+v, want %+v", r.Entry, want)
	}
}

func TestExpire(t *testing.T) {
	t.Parallel()
	eitherWay(t, conf{"greylist.max_defer_time": "10000", "greylist.max_grey": "20000"}, func(t *testing.T, s *site) {
		now := time.Now().Unix()
		kept := 0
		for i, e := range []struct {
			waiting, passed since
			stays           bool
		}{
			{waiting: 10, stays: true},
			{waiting: 19900, stays: true}, // too late, but for one more window
			{waiting: 20100},
			{passed: 39900, stays: true},
			{passed: 40100},
		} {
			sender := fmt.Sprintf("s%d@example.net", i)
			entry := greylist.Entry{FirstSeen: now - int64(e.waiting), LastSeen: now}
			if e.passed != 0 {
				entry.FirstSeen, entry.PassedAt = now-100000, now-int64(e.passed)
			}
			s.remember("203.0.113.7", sender, "bob@example.org", entry)
			if e.stays {
				kept++
			}
		}
		if got := s.output("expire"); got != "removed: 2\n" {
			t.Errorf("printed %s", got)
		}
		if got := s.output("expire"); got != "removed: 0\n" {
			t.Errorf("again: %s", got)
		}
		if got := len(s.records()); got != kept {
			t.Errorf("%d left, want %d", got, kept)
		}
	})
}
