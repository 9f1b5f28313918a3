package web

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/report"
	"greyglass/greylist"
)

const (
	theClient = "203.0.113.7"
	ann       = "ann@example.net"
	bob       = "bob@example.org"
	triplet   = theClient + " " + ann + " " + bob
)

// TestErrand: the telephone rings; the mail is found, explained, let in and accepted.
func TestErrand(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.attempt(theClient, ann, bob)
	b := s.login(operator)
	p := b.Search("ann@example.net")
	p.Says(t, http.StatusOK, "Waits for a retry from 11:02 on",
		"ann@example.net wrote to bob@example.org for the first time at 10:02, and the server has not tried again yet. It is let in when it tries again from 11:02 on (in 1h).",
		"seen for the first time", "4XyZ0k1abc")
	if !strings.Contains(p.HTML, `aria-label="Let it in: ann@example.net → bob@example.org"`) {
		t.Errorf("the button does not say what it lets in: %s", p.HTML)
	}
	for _, q := range []string{"example.net", "@example.org", bob, "<" + ann + ">", theClient, "203.0.113.0/24", "bob", "4XyZ0k1abc", ann + " " + bob, triplet, "IC2T-KU6W"} {
		if q == "IC2T-KU6W" {
			q = greylist.Triplet{Client: theClient, Sender: ann, Recipient: bob}.Code()
		}
		b.Search(q).Says(t, http.StatusOK, "ann@example.net wrote to bob@example.org")
	}
	b.Search("nobody@example.com").Says(t, http.StatusOK, "No triplet is stored for this.", "None of the newest decisions of this machine is about this.")
	p = b.Search(triplet)
	p.Says(t, http.StatusOK, "defer, with the reason way-too-soon", "Rule by rule", "451 4.7.1 Try again")

	s.advance(5 * time.Minute)
	p = b.Press(p, "/pass")
	p.Says(t, http.StatusOK, "Let in: mail from ann@example.net to bob@example.org.", "was let in by hand at 10:07", "accept, with the reason already-grey")
	if !strings.HasPrefix(p.Path, "/search?did=") {
		t.Errorf("it led to %s", p.Path)
	}
	if log := s.log.String(); !strings.Contains(log, `msg=admin user=olga via=web from=127.0.0.1 command="pass 203.0.113.7 ann@example.net bob@example.org"`) {
		t.Errorf("logged: %s", log)
	}
	if a := s.attempt(theClient, ann, bob); a.Verdict != greylist.Accept {
		t.Errorf("answered %+v", a)
	}
}

// TestOpeningTime: all parts of a page name the same minute from which on a retry is accepted.
func TestOpeningTime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.advance(30 * time.Second)
	s.attempt(theClient, ann, bob)
	s.login(operator).Search(triplet).Says(t, http.StatusOK, "Waits for a retry from 11:03 on",
		"It is let in when it tries again from 11:03 on", "the wait lasts 1h, until 11:03")
}

// TestUndo: a wrong click can be undone, once, and by the one who made it.
func TestUndo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	entry := func() *greylist.Entry {
		e, err := s.store.Get(t.Context(), greylist.Triplet{Client: theClient, Sender: ann, Recipient: bob})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	b := s.login(operator)

	p := b.Press(b.Search(triplet), "/pass") // unknown
	if e := entry(); e == nil || !e.Passed() {
		t.Fatalf("stored: %+v", e)
	}
	b.Press(p, "/undo").Says(t, http.StatusOK, "is unknown again")
	if e := entry(); e != nil {
		t.Errorf("stored: %+v", e)
	}
	b.Press(p, "/undo").Says(t, http.StatusGone, "undone already")

	s.attempt(theClient, ann, bob)
	before := *entry()
	s.advance(time.Minute)
	p = b.Press(b.Search(triplet), "/pass")
	b.Press(p, "/undo").Says(t, http.StatusOK, "Undone: mail from ann@example.net to bob@example.org waits as before.")
	if e := entry(); e == nil || *e != before {
		t.Errorf("stored: %+v, want %+v", e, before)
	}

	p = b.Press(b.Search(triplet), "/forget")
	p.Says(t, http.StatusOK, "Forgotten:", "No triplet is stored for this.")
	if e := entry(); e != nil {
		t.Errorf("stored: %+v", e)
	}
	other := s.login(operator)
	if o := other.Get(p.Path); strings.Contains(o.HTML, "/undo") != true {
		t.Error("the same user cannot undo from another browser")
	}
	b.Press(p, "/undo").Says(t, http.StatusOK, "is stored as before")
	if e := entry(); e == nil || *e != before {
		t.Errorf("stored: %+v, want %+v", e, before)
	}

	p = b.Press(b.Search(triplet), "/pass")
	s.advance(time.Minute)
	s.attempt(theClient, ann, bob) // accepted
	b.Search(triplet).Says(t, http.StatusOK, "was last accepted at 10:04", "Accepted1 ×")
	b.Press(p, "/undo").Says(t, http.StatusConflict, "Nothing was undone: Mail has come since then.")
	if e := entry(); e == nil || !e.Passed() {
		t.Errorf("stored: %+v", e)
	}
	if log := s.log.String(); strings.Count(log, `msg=admin user=olga via=web from=127.0.0.1 command="undo `) != 3 {
		t.Errorf("logged: %s", log)
	}
}

// TestExpect: mail is expected for a while, and its sender is not deferred.
func TestExpect(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.login(operator)
	expected := func() []greylist.Expectation {
		all, err := s.store.Expected(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	p := b.Press(b.Search(bob), "/expect", "recipient", bob, "sender", "@example.net", "minutes", "30")
	p.Says(t, http.StatusOK, "Expected: mail to bob@example.org from @example.net is accepted at once until 10:32.")
	if all := expected(); len(all) != 1 || all[0].Until-all[0].Since != 1800 || all[0].Sender != "@example.net" {
		t.Errorf("expected: %+v", all)
	}
	again := b.Press(b.Search(bob), "/expect", "recipient", bob, "sender", "@example.net", "minutes", "120")
	b.Press(again, "/undo").Says(t, http.StatusOK, "is expected as before")
	if all := expected(); len(all) != 1 || all[0].Until-all[0].Since != 1800 {
		t.Errorf("expected: %+v", all)
	}
	b.Press(p, "/undo").Says(t, http.StatusOK, "is not expected any more")
	if all := expected(); len(all) != 0 {
		t.Errorf("expected: %+v", all)
	}
	for _, c := range []struct{ recipient, sender, minutes, says string }{
		{"", "", "30", "recipient"},
		{"@example.org", "", "30", "not one address"},
		{bob, "a b c@", "30", "sender"},
		{bob, "", "0", "not between a minute and a week"},
		{bob, "", "100000", "not between a minute and a week"},
		{bob, "", "9223372036854775807", "not between a minute and a week"},
		{bob, "", "x", "not between a minute and a week"},
	} {
		b.Press(b.Search(bob), "/expect", "recipient", c.recipient, "sender", c.sender, "minutes", c.minutes).
			Says(t, http.StatusUnprocessableEntity, "Nothing was changed: ", c.says)
	}
	if all := expected(); len(all) != 0 {
		t.Errorf("expected: %+v", all)
	}
}

// TestOverview: it has what the last day and month were like, without reading the database.
func TestOverview(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 3 {
		s.attempt("198.51.100."+string(rune('1'+i)), "news@shop.example", bob)
	}
	h := greylist.History{}
	hour := greylist.HourOf(s.now.Unix())
	h.Answered = []greylist.Answered{
		{Hour: hour, Via: "milter", Verdict: greylist.Defer, Reason: greylist.ReasonNotSeenBefore, Count: 1200},
		{Hour: hour, Via: "milter", Verdict: greylist.Accept, Reason: greylist.ReasonNowGrey, Count: 700},
		{Hour: hour, Via: "milter", Verdict: greylist.Accept, Reason: greylist.ReasonAlreadyGrey, Count: 1300},
	}
	h.Returned = []greylist.Returned{{Hour: hour, Within: 4200, Count: 700}}
	if err := s.store.Record(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	s.server.daemon.Load().overview.count(t.Context())
	b := s.login(operator)
	s.advance(time.Hour)
	b.Get("/").Says(t, http.StatusOK, "The numbers below were counted 1h ago", "It is let in when its server tries again by ")
	s.advance(-time.Hour)
	p := b.Get("/")
	p.Lacks(t, "counted 1h ago")
	if scale := `y2="16"/><text x="0" y="16" dy="-4">3,200</text>`; !strings.Contains(p.HTML, scale) {
		t.Errorf("no picture has the scale %s", scale)
	}
	if !strings.Contains(p.HTML, "35\u00a0%") {
		t.Error("a line may end between a number and its percent sign")
	}
	p.Says(t, http.StatusOK, "Database works", "Lists all could be read",
		"3,200 recipients were judged in the last day; 1,200 of them were deferred.",
		"1,200 messages of unknown triplets were deferred in the last 30 days; 700 were tried again and accepted.",
		"Of 2,000 accepted recipients, 700 had to wait first: 35 %.",
		"news@shop.example → bob@example.org", "198.51.100.0/24", "at the end of /etc/greyglass/greyglass.toml", `when = 'client_in("198.51.100.0/24")'`)
}

// TestPoolAdvice: the rule that the page shows for a pool is one that the configuration takes.
func TestPoolAdvice(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "greyglass.toml")
	for _, network := range []string{"198.51.100.0/24", "2001:db8:1:2::/64"} {
		advice := (&serving{Daemon: &Daemon{ConfigFile: file}}).adviceFor([]report.Sender{{Name: network}})
		if err := os.WriteFile(file, []byte(advice[0].Rule+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		loaded, err := config.Load(config.Source{File: file, FileRequired: true})
		if err != nil || len(loaded.Config.Rule) == 0 {
			t.Errorf("%s\n%v", advice[0].Rule, err)
		}
	}
}
