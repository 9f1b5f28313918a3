package mtatest_test

import (
	"slices"
	"strings"
	"testing"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/milter/mtatest"
)

// step is something that an MTA does in a session, how that is answered, and how many
// decisions were logged by then. MAIL begins the next message, RCPT names a local part of
// example.org or a whole address, DATA is the first step behind RCPT that the MTA has,
// and END are those behind that.
type step struct {
	after     int64 // seconds, which pass before
	does      string
	reply     string
	decisions int
}

const (
	tooMany      = "452 4.5.3 Too many recipients"
	in50Minutes  = "451 4.7.1 Greylisted, please try again in 50 minutes"
	always       = "always@example.org"
	probeAddress = "double-bounce@example.net"
)

// Messages: each recipient has an answer of its own, and a connection any number of
// messages. Senders of callouts are not deferred at RCPT, where a callout ends, but at
// DATA, or at the end of the message where the protocol has no DATA step.
func TestMessages(t *testing.T) {
	callouts := func(s *mtatest.Setup) {
		s.Policy.Probes = mtatest.Patterns(t, address.Senders, probeAddress)
		s.Rules.WhitelistedTriples = [][]string{{"192.0.2", "*", always}}
	}
	callout := []step{
		{0, "MAIL", "", 0},
		{0, "RCPT me", accepted, 0}, // a callout: it leaves nothing
		{0, "MAIL", "", 0},
		{0, "RCPT me", accepted, 0},
		{0, "DATA", mtatest.Greylisted, 1},
		// The message waits as long as any recipient of it must.
		{600, "MAIL", "", 1},
		{0, "RCPT me", accepted, 1},
		{0, "RCPT always", accepted, 2},
		{0, "RCPT you", accepted, 2},
		{0, "DATA", mtatest.Greylisted, 4},
		{3600, "MAIL", "", 4},
		{0, "RCPT me", accepted, 4},
		{0, "RCPT you", accepted, 4},
		{0, "DATA", accepted, 6},
		{0, "END", accepted, 6}, // judged once
	}
	calloutLogged := []string{
		"me not-seen-before Q2", "always whitelisted-triple Q3", "me too-soon Q3", "you not-seen-before Q3", "me now-grey Q4", "you now-grey Q4",
	}
	for _, c := range []struct {
		name       string
		with       func(*mtatest.Setup)
		a          attempt
		known      []string // local parts of recipients whose triplets have passed
		needsData  bool     // runs only where there is a DATA step
		steps      []step
		logged     []string // recipient's local part, reason, queue ID; in any order; nil: not checked
		remembered []string // recipients' local parts; nil: not checked
		warned     []string // client and queue ID of messages with too many recipients
	}{
		{name: "each recipient has an answer of its own",
			with: func(s *mtatest.Setup) {
				s.Rules.AllowedDomains = []string{"example.org"}
				s.Rules.ForeignVerdict, s.Rules.ForeignReply = greylist.Deny, mtatest.ParseReply(t, notHere)
				s.Rules.WhitelistedTriples = [][]string{{"192.0.2", "*", always}}
			},
			steps: []step{
				{0, "MAIL", "", 0},
				{0, "RCPT me", mtatest.Greylisted, 1},
				{0, "RCPT me@example.com", notHere, 2},
				{0, "RCPT always", accepted, 3},
				{0, "RCPT you", mtatest.Greylisted, 4},
				{0, "DATA", accepted, 4},
				{0, "END", accepted, 4},
				{3600, "MAIL", "", 4},
				{0, "RCPT me", accepted, 5},
				{0, "RCPT me@example.com", notHere, 6},
				{0, "RCPT always", accepted, 7},
				{0, "RCPT you", accepted, 8},
				{0, "DATA", accepted, 8},
				{0, "END", accepted, 8},
				{3600, "MAIL", "", 8},
				{0, "RCPT me", accepted, 9},
				{0, "DATA", accepted, 9},
				{0, "END", accepted, 9},
			}},
		{name: "callout of the null sender", with: callouts, a: attempt{sender: "-"}, steps: callout, logged: calloutLogged, remembered: []string{"me", "you"}},
		{name: "callout of a probe address", with: callouts, a: attempt{sender: probeAddress}, steps: callout, logged: calloutLogged, remembered: []string{"me", "you"}},
		{name: "callout of the null sender in brackets", with: callouts, a: attempt{sender: "-", policySender: "<>"}, steps: callout, logged: calloutLogged, remembered: []string{"me", "you"}},

		{name: "rules answer at RCPT, also in a bounce", a: attempt{sender: "-"},
			with: func(s *mtatest.Setup) {
				s.Rules.Blocked = mtatest.Patterns(t, address.Senders, "<>")
				s.Rules.Exceptions = mtatest.Patterns(t, address.Recipients, "postmaster")
			},
			steps: []step{
				{0, "MAIL", "", 0},
				{0, "RCPT me", mailboxFull, 1},
				{0, "RCPT postmaster", accepted, 2},
				{0, "DATA", accepted, 2},
			}},

		{name: "too many recipients of a bounce", a: attempt{sender: "-"},
			with: func(s *mtatest.Setup) { s.Limits.Recipients = 2 },
			steps: []step{
				{0, "MAIL", "", 0},
				{0, "RCPT me", accepted, 0}, {0, "RCPT you", accepted, 0}, {0, "RCPT a", tooMany, 0}, {0, "RCPT b", tooMany, 0},
				{0, "DATA", mtatest.Greylisted, 2},
				{0, "MAIL", "", 2}, // a new message may have as many again
				{0, "RCPT me", accepted, 2}, {0, "RCPT you", accepted, 2}, {0, "RCPT a", tooMany, 2}, {0, "RCPT b", tooMany, 2},
				{0, "DATA", mtatest.Greylisted, 4},
			},
			logged:     []string{"me not-seen-before Q1", "you not-seen-before Q1", "me way-too-soon Q2", "you way-too-soon Q2"},
			remembered: []string{"me", "you"},
			warned:     []string{"192.0.2.7 Q1", "192.0.2.7 Q2"}}, // once a message
		{name: "a greylist that only observes defers none of them", a: attempt{sender: "-"},
			with: func(s *mtatest.Setup) { s.Limits.Recipients, s.Policy.Observe = 2, true },
			steps: []step{
				{0, "MAIL", "", 0},
				{0, "RCPT me", accepted, 0}, {0, "RCPT you", accepted, 0}, {0, "RCPT a", accepted, 1}, {0, "RCPT b", accepted, 2},
				{0, "DATA", accepted, 4},
			},
			warned: []string{"192.0.2.7 Q1"}},

		// After a refused DATA Postfix keeps the message: a client that just says DATA
		// again is not let in, and is not judged again.
		{name: "DATA again", a: attempt{sender: "-"}, needsData: true,
			steps: []step{
				{0, "MAIL", "", 0},
				{0, "RCPT me", accepted, 0},
				{0, "DATA", mtatest.Greylisted, 1},
				{0, "DATA", mtatest.Greylisted, 1},
				{600, "MAIL", "", 1},
				{0, "RCPT me", accepted, 1},
				{0, "DATA", in50Minutes, 2},
				{0, "DATA", in50Minutes, 2},
				{0, "RCPT you", accepted, 2},
				{0, "DATA", mtatest.Greylisted, 3},
				{0, "DATA", mtatest.Greylisted, 3},
				{3000, "MAIL", "", 3},
				{0, "RCPT me", accepted, 3},
				{0, "DATA", accepted, 4},
				{0, "DATA", accepted, 4},
			}},
		// A message that was refused at DATA for one recipient is so with another one, who
		// alone would be let through.
		{name: "RCPT after a refused DATA", a: attempt{sender: "-"}, needsData: true, known: []string{"you"},
			steps: []step{
				{0, "MAIL", "", 0},
				{0, "RCPT me", accepted, 0},
				{0, "DATA", mtatest.Greylisted, 1},
				{0, "RCPT you", accepted, 1},
				{0, "DATA", mtatest.Greylisted, 2},
			}},
		// A recipient who comes after DATA, which another filter has refused, is judged by
		// the message's own sender and credentials.
		{name: "RCPT after DATA", a: attempt{sender: "ann@example.net", user: "ann"}, needsData: true,
			steps: []step{
				{0, "MAIL", "", 0},
				{0, "RCPT me", accepted, 1},
				{0, "DATA", accepted, 1},
				{0, "RCPT you", accepted, 2},
				{0, "DATA", accepted, 2},
			},
			logged: []string{"me authenticated ", "you authenticated Q1"}},
	} {
		for _, e := range byAll {
			if c.needsData && !e.hasData {
				continue
			}
			t.Run(c.name+"/"+e.name, func(t *testing.T) {
				h := e.on(t, c.with)
				a := c.a.completed()
				now := h.Clock.Now().Unix()
				for _, name := range c.known {
					h.Store.Put(t, tripletOf(t, a, name), greylist.Entry{FirstSeen: now - 9999, LastSeen: now, PassedAt: now})
				}
				run(t, h, e.session(t, h), a, c.steps)
				check(t, h, a, c.logged, c.remembered)
				var warned []string
				for _, line := range h.Log.All("recipient limit reached") {
					warned = append(warned, line["client"]+" "+line["queue_id"])
				}
				if !slices.Equal(warned, c.warned) {
					t.Errorf("warned of %q, want %q", warned, c.warned)
				}
			})
		}
	}
}

// run does the steps.
func run(t *testing.T, h *mtatest.Fixture, s session, a attempt, steps []step) {
	t.Helper()
	for i, step := range steps {
		h.Clock.Advance(step.after)
		does, recipient, _ := strings.Cut(step.does, " ")
		if recipient != "" && !strings.Contains(recipient, "@") {
			recipient += "@example.org"
		}
		var got string
		switch does {
		case "MAIL":
			s.mail(a)
		case "RCPT":
			got = s.rcpt(recipient, recipient)
		case "DATA":
			got = s.data()
		case "END":
			got = s.end()
		}
		if n := len(h.Log.All("decision")); got != step.reply || n != step.decisions {
			t.Errorf("step %d, %s: answer %q, want %q; %d decisions are logged, want %d", i, step.does, got, step.reply, n, step.decisions)
		}
	}
	s.quit()
}

// check compares what was logged and what is remembered in the end.
func check(t *testing.T, h *mtatest.Fixture, a attempt, logged, remembered []string) {
	t.Helper()
	var got []string
	for _, line := range h.Log.All("decision") {
		name, _, _ := strings.Cut(line["recipient"], "@")
		got = append(got, name+" "+line["reason"]+" "+line["queue_id"])
		if line["sender"] != tripletOf(t, a, name).Sender {
			t.Errorf("logged %v", line)
		}
	}
	slices.Sort(got)
	if want := slices.Sorted(slices.Values(logged)); logged != nil && !slices.Equal(got, want) {
		t.Errorf("logged %q, want %q", got, want)
	}
	if remembered == nil {
		return
	}
	rows := h.Store.Rows(t)
	for _, name := range remembered {
		if _, ok := rows[tripletOf(t, a, name)]; !ok || len(rows) != len(remembered) {
			t.Errorf("remembered %v, want the recipients %v", rows, remembered)
		}
	}
}

// tripletOf returns the triplet of an attempt's recipient.
func tripletOf(t *testing.T, a attempt, recipient string) greylist.Triplet {
	t.Helper()
	tr, err := greylist.DefaultIdentity.Triplet(greylist.ParseClient(a.client), a.sender, recipient+"@example.org")
	if err != nil {
		t.Fatal(err)
	}
	return tr
}
