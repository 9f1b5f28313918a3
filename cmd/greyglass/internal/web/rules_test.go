package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/rules"
)

// nameless waits for two hours, longer than what the greylist's windows say.
var nameless = rules.Rule{Name: "nameless", When: `client_name == ""`, Then: rules.Greylist,
	Windows: &greylist.Windows{TooSoon: 180, MinDeferTime: 7200, MaxDeferTime: 50000, MaxGrey: 3000000}}

// order adopts ordered rules.
func (s *site) order(ordered ...rules.Rule) {
	s.t.Helper()
	set, err := rules.Config{AcceptLoopback: true, Ordered: ordered}.Compile()
	if err != nil {
		s.t.Fatal(err)
	}
	p := *s.policy
	p.Rules = set
	s.judge.Adopt(&p)
}

// attemptBy is mail of a client with a name, which may be empty.
func (s *site) attemptBy(name string) {
	s.judge.Recipient(s.t.Context(), nil, greylist.Attempt{Client: greylist.ParseClient(theClient), ClientName: name, Helo: "mx",
		Sender: ann, Recipient: bob, QueueID: "4XyZ0k1abc", Via: "milter"})
}

// TestWindowsOfRules: each page has the time of the rule that answered, and asks the rules for
// the client that has tried. Of what was answered elsewhere it says that it is not sure.
func TestWindowsOfRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, from string }{{"mail.example.net", "11:02"}, {"", "12:02"}} {
		s := newSite(t)
		s.order(nameless)
		s.attemptBy(c.name)
		s.advance(10 * time.Minute)
		s.server.daemon.Load().overview.count(t.Context())
		b := s.login(looker)
		for _, p := range []page{b.Get("/"), b.Search(triplet), b.Search(ann)} {
			p.Says(t, http.StatusOK, "It is let in when it tries again from "+c.from+" on (in ")
			p.Lacks(t, "at the earliest", "is known of the client")
		}
		other := greylist.Triplet{Client: theClient, Sender: ann, Recipient: "carl@example.org"}
		if _, err := s.store.Update(t.Context(), []greylist.Triplet{other}, func([]*greylist.Entry) greylist.Decision {
			return greylist.DefaultWindows.Decide(nil, s.now.Unix())
		}); err != nil {
			t.Fatal(err)
		}
		b.Search(ann).Says(t, http.StatusOK, "from "+c.from+" on (in ", "from 11:12 on at the earliest (in ")
		s.daemon.Recent.Clear()
		p := b.Search(triplet)
		p.Says(t, http.StatusOK, "Waits for a retry from 11:02 on at the earliest", "from 11:02 on at the earliest (in ", "Only 203.0.113.7 is known of the client")
		s.advance(time.Hour)
		b.Search(triplet).Says(t, http.StatusOK, "A retry may be accepted now", "It may be let in when its server tries again by 23:55 at the latest.")
	}
}

// TestRulesOfClient: what happens after an action is asked for the client that has tried.
func TestRulesOfClient(t *testing.T) {
	t.Parallel()
	deny := rules.Rule{Name: "nameless", When: `client_name == ""`, Then: greylist.Deny, Reply: greylist.Reply{Code: 550, Enhanced: "5.7.1", Text: "No"}}
	s := newSite(t)
	s.order(deny)
	s.attemptBy("mail.example.net")
	b := s.login(operator)
	p := b.Press(b.Search(triplet), "/pass")
	p.Says(t, http.StatusOK, "It is accepted at the sender's next attempt; the server 203.0.113.7 tries again by itself.")
	p.Lacks(t, "deny", "denied")
	s.daemon.Recent.Clear()
	b.Press(b.Search(triplet), "/forget")
	b.Press(b.Search(triplet), "/pass").Says(t, http.StatusOK, "But the sender's next attempt may be denied all the same (rule:nameless")
}

// TestObserve: while greylisting only observes, nothing is said to wait.
func TestObserve(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := *s.policy
	p.Observe = true
	s.judge.Adopt(&p)
	s.attempt(theClient, ann, bob)
	s.advance(10 * time.Minute)
	s.server.daemon.Load().overview.count(t.Context())
	b := s.login(operator)
	found := b.Search(triplet)
	for _, p := range []page{b.Get("/"), found, b.Search(ann)} {
		p.Says(t, http.StatusOK, "Greylisting only observes, so it is accepted at once. Otherwise it would be let in when it tries again from 11:02 on (in 50m).")
		p.Lacks(t, "Waits", "What waits longest", "has not tried again")
	}
	found.Says(t, http.StatusOK, "Would wait for a retry from 11:02 on", "seen for the first time; only observed")
	b.Press(found, "/pass").Says(t, http.StatusOK, "It is accepted at the sender's next attempt in any case: greylisting only observes.")
	if log := s.log.String(); strings.Contains(log, "panic") {
		t.Error(log)
	}
}

// TestPrivateLog: with log.private no decision is kept, and those from before are forgotten.
func TestPrivateLog(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.attempt(theClient, ann, bob)
	b := s.login(looker)
	b.Search(triplet).Says(t, http.StatusOK, "seen for the first time", "4XyZ0k1abc")
	private := *s.policy
	private.PrivateLog = true
	s.judge.Adopt(&private)
	s.attempt(theClient, ann, bob)
	p := b.Search(triplet)
	p.Says(t, http.StatusOK, "This daemon keeps no decisions in memory (web.recent, log.private).")
	p.Lacks(t, "4XyZ0k1abc")
	s.judge.Adopt(s.policy)
	p = b.Search(triplet)
	p.Says(t, http.StatusOK, "None of the newest decisions of this machine is about this.")
	p.Lacks(t, "4XyZ0k1abc")
}
