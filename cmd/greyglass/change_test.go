package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
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
			if got := s.output("pass", c.client, c.sender, "bob@example.org"); got != "passed: "+c.known+"\n" {
				t.Errorf("pass %s %q: %s", c.client, c.sender, got)
			}
			if got := fields(s.output("explain", c.client, c.sender, "bob@example.org"))["reason"]; got != "already-grey" {
				t.Errorf("after pass %s %q: %s", c.client, c.sender, got)
			}
			if got := s.output("forget", c.client, c.sender, "BOB@example.org"); got != "forgotten: "+c.known+"\n" {
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
		s.run("pass", "203.0.113.0/24", "a", "b").fails(t, statusUsage, "CLIENT", "clients are remembered by 32")
		s.run("forget", "2001:db8::/32", "a", "b").fails(t, statusUsage, "CLIENT", "clients are remembered by 64")
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
		s.run("pass", "--domain", "shop.example").fails(t, statusUsage, "3 triplets are selected; add --yes to pass them")
		s.run("pass", "--domain", "shop.example", "203.0.113.1").fails(t, statusUsage)
		s.run("pass", "--sender", "ann@", "--yes").fails(t, statusUsage, "--sender")
		s.run("forget", "--sender", "", "--recipient", "bob@example.org", "--yes").fails(t, statusUsage, "--sender: it is empty")
		s.run("pass", "--domain", "elsewhere.example", "--yes").fails(t, statusFailed, "no triplet waits that is selected")
		if got := s.output("list", "--passed", "--json"); got != "[]\n" {
			t.Errorf("passed: %s", got)
		}
		if got, want := s.output("pass", "--domain", "shop.example", "--recipient", "bob", "--yes"), "passed: 3 triplets; each is accepted at the sender's next attempt\n"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		for n := range 3 {
			if got := fields(s.output("explain", "203.0.113.1", fmt.Sprintf("s%d@mail.shop.example", n), "bob@example.org"))["reason"]; got != "already-grey" {
				t.Errorf("s%d after pass: %s", n, got)
			}
		}
		s.run("pass", "--domain", "shop.example", "--yes").fails(t, statusFailed, "no triplet waits that is selected")
		s.run("forget", "--recipient", "bob@example.org", "--client", "203.0.113.1").fails(t, statusUsage, "cannot be combined")
		s.run("forget", "--sender", "@*.shop.example").fails(t, statusUsage, "3 triplets are selected; add --yes to forget them")
		if got := s.output("forget", "--sender", "@*.shop.example", "--yes"); got != "forgotten: 3 triplets\n" {
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
	if got := s.onTerminal(80, "y\n", "forget", "--domain shop.example"); !strings.HasSuffix(got, "forgotten: 7 triplets\n") {
		t.Errorf("printed %s", got)
	}
	if n := len(s.records()); n != 0 {
		t.Errorf("%d are left", n)
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
		if got := s.output("forget", "203.0.113.1", sender, "bob@BÜCHER.example"); got != "forgotten: 203.0.113.1 ann@bücher.example bob@bücher.example\n" {
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
