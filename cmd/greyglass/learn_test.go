package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
)

// postfixLog is a log of messages from 203.0.113.7, each from another sender, a day ago.
func postfixLog(from, n int) string {
	stamp := time.Now().Add(-24 * time.Hour).Format(time.RFC3339)
	var b strings.Builder
	for i := from; i < from+n; i++ {
		b.WriteString(delivered(stamp, fmt.Sprintf("4B%08d", i), "mail.example.net[203.0.113.7]", fmt.Sprintf("ann%d@example.net", i), "bob@example.org"))
	}
	return b.String()
}

// delivered is the log of a message to a mailbox.
func delivered(stamp, id, client, sender, recipient string) string {
	return sentBy("virtual", "virtual", stamp, id, client, sender, recipient)
}

func sentBy(service, relay, stamp, id, client, sender, recipient string) string {
	var b strings.Builder
	for _, line := range []string{
		"smtpd[1]: " + id + ": client=" + client,
		"qmgr[1]: " + id + ": from=<" + sender + ">, size=259, nrcpt=1 (queue active)",
		service + "[1]: " + id + ": to=<" + recipient + ">, relay=" + relay + ", delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (ok)",
		"qmgr[1]: " + id + ": removed",
	} {
		fmt.Fprintf(&b, "%s mx1 postfix/%s\n", stamp, line)
	}
	return b.String()
}

func TestLearnCommand(t *testing.T) {
	s := newSite(t, conf{"rules.allowed_domains": `["example.org"]`, "learn.local_domains": `["example.org"]`})
	ago := func(d time.Duration) string { return time.Now().Add(-d).Format(time.RFC3339) }
	const day = 24 * time.Hour
	s.write("mail.log", delivered(ago(2*day), "4B00000001", "mail.example.net[203.0.113.7]", "ann@example.net", "bob@example.org")+
		delivered(ago(day), "4B00000002", "mail.example.net[203.0.113.7]", "ann@example.net", "bob@example.org")+
		delivered(ago(day), "4B00000003", "unknown[203.0.113.8]", "eve@example.com", "carol@example.org")+
		delivered(ago(40*day), "4B00000004", "unknown[203.0.113.9]", "old@example.com", "carol@example.org")+
		delivered(ago(day), "4B00000005", "unknown[127.0.0.1]", "cron@example.org", "carol@example.org")+
		delivered(ago(day), "4B00000006", "unknown[203.0.113.8]", "eve@example.com", "carol@elsewhere.test")+
		sentBy("smtp", "mx.far.test[198.51.100.1]:25", ago(day), "4B00000007", "unknown[203.0.113.50], sasl_method=PLAIN, sasl_username=bob", "bob+shop@example.org", "dave@far.test")+
		sentBy("smtp", "mx.far.test[198.51.100.1]:25", ago(100*day), "4B00000008", "unknown[203.0.113.50], sasl_method=PLAIN, sasl_username=bob", "bob@example.org", "erin@far.test")+
		ago(day)+" mx1 postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[203.0.113.66]: 554 5.7.1 no; from=<spam@example.com> to=<bob@example.org> proto=ESMTP helo=<x>\n"+
		ago(day)+" mx1 cron[1]: x\n")
	const want = `read: 34 lines, 4 messages delivered from outside, 2 sent to outside
learned: 2 triplets, 1 correspondents
known already: 0 triplets, 0 correspondents
skipped 1 messages: delivered longer ago than greylist.max_grey
skipped 1 messages: for a recipient who is not yours
skipped 1 messages: refused
skipped 1 messages: sent longer ago than learn.keep
skipped 1 messages: within the site
skipped 1 lines: of other programs, or without a time
learn.outbound is off: correspondents count once it is on
`
	if got := s.output("learn", "--dry-run", "mail.log"); got != strings.Replace(want, "learned", "would be learned", 1) {
		t.Errorf("without a database: %s", got)
	}
	s.run("learn", "mail.log").fails(t, 75, "no database")
	s.create()
	if got := s.output("learn", "mail.log"); got != want {
		t.Errorf("%s", got)
	}
	listed := s.output("list", "--json")
	for _, part := range []string{
		`"client":"203.0.113.7","sender":"ann@example.net","recipient":"bob@example.org"`,
		`"client":"203.0.113.8","sender":"eve@example.com","recipient":"carol@example.org"`,
	} {
		if !strings.Contains(listed, part) || strings.Count(listed, `"state":"passed"`) != 2 {
			t.Errorf("no %s in %s", part, listed)
		}
	}
	if got := s.output("list", "--correspondents", "--json"); !strings.Contains(got, `"local":"bob@example.org","remote":"dave@far.test"`) {
		t.Errorf("%s", got)
	}
	s.configure(conf{"rules.allowed_domains": `["example.org"]`, "learn.outbound": "true"})
	if got := s.output("explain", "198.51.100.1", "Dave@far.test", "bob+shop@example.org"); !strings.Contains(got, "correspondent") {
		t.Errorf("the reply: %s", got)
	}
	s.configure(conf{"rules.allowed_domains": `["example.org"]`})
	if got := s.output("explain", "203.0.113.7", "ann@example.net", "bob@example.org"); !strings.Contains(got, "already-grey") {
		t.Errorf("%s", got)
	}
	if got := s.output("learn", "mail.log"); !strings.Contains(got, "learned: 0 triplets, 0 correspondents\nknown already: 2 triplets, 1 correspondents\n") {
		t.Errorf("the second time: %s", got)
	}
	if got := s.output("list", "--json"); got != listed {
		t.Errorf("the second time: %s", got)
	}
	if got := s.output("learn", "--since", "36h", "mail.log"); !strings.Contains(got, "skipped 3 messages: before --since\n") {
		t.Errorf("since: %s", got)
	}
	for _, c := range []struct {
		status int
		args   []string
		says   string
	}{
		{64, nil, "LOGFILE is missing"},
		{64, []string{"--since", "never", "mail.log"}, `"never" is none`},
		{1, []string{"nowhere"}, "nowhere: no such file"},
	} {
		s.run(append([]string{"learn"}, c.args...)...).fails(t, c.status, c.says)
	}
}

// TestLearnKeeps: what is known stays, and what is learned adds to it.
func TestLearnKeeps(t *testing.T) {
	s := newSite(t, nil)
	s.create()
	s.output("pass", "203.0.113.7", "ann1@example.net", "bob@example.org")
	before := s.output("list", "--json")
	s.write("mail.log", postfixLog(1, 1))
	s.output("learn", "mail.log")
	if after := s.output("list", "--json"); after != before {
		t.Errorf("a triplet that passed later was changed from %s to %s", before, after)
	}
}

// TestLearnByProvider: a client whose name is confirmed stands for its provider, one whose
// name looks dynamic for itself.
func TestLearnByProvider(t *testing.T) {
	s := newSite(t, conf{"greylist.client_identity": `"provider"`})
	s.create()
	stamp := time.Now().Add(-time.Hour).Format(time.RFC3339)
	s.write("mail.log", delivered(stamp, "4B00000001", "mail7.example.net[203.0.113.7]", "ann@example.net", "bob@example.org")+
		delivered(stamp, "4B00000002", "dsl-203-0-113-8.example.com[203.0.113.8]", "eve@example.com", "bob@example.org"))
	s.output("learn", "mail.log")
	got := s.output("list", "--json")
	if !strings.Contains(got, `"client":"name:example.net"`) || !strings.Contains(got, `"client":"203.0.113.8"`) {
		t.Errorf("%s", got)
	}
}

// TestLearnInterrupted: after SIGINT in the middle and a second run everything is there,
// and nothing twice.
func TestLearnInterrupted(t *testing.T) {
	const n = 3000
	s := newSite(t, nil)
	s.create()
	s.write("mail.log", postfixLog(0, n))
	// The last line is later than the others by more than their settling takes.
	last := time.Now().Format(time.RFC3339) + " mx1 postfix/smtpd[1]: connect\n"
	r := s.interrupted(postfixLog(0, n/2)+last, s.hasTriplets, "learn", "-")
	if r.status != statusFailed || !strings.Contains(r.stderr, "interrupted; run it again to go on") || strings.Contains(r.stdout, "not read to the end") {
		t.Errorf("%+v", r)
	}
	if got := s.output("learn", "mail.log"); !strings.Contains(got, "read: 12,000 lines, 3,000 messages delivered") {
		t.Errorf("%s", got)
	}
	if got := s.output("stats", "--json"); !strings.Contains(got, fmt.Sprintf(`"waiting":0,"passed":%d`, n)) {
		t.Errorf("after the second run: %s", got)
	}
	if got := s.output("learn", "mail.log"); !strings.Contains(got, "learned: 0 triplets") {
		t.Errorf("the third time: %s", got)
	}
}

// TestLearnMerges: what a log tells is added to what is known, whatever came first.
func TestLearnMerges(t *testing.T) {
	l := &learner{windows: greylist.Windows{TooSoon: 10, MinDeferTime: 100, MaxDeferTime: 1000, MaxGrey: 100_000}, now: 50_000}
	if there, told := (greylist.Entry{PassedAt: 30_000}), (greylist.Entry{PassedAt: 30_010}); !l.fresh(there, told) {
		t.Error("a time that lags is written again")
	}
	passed := func(at int64) greylist.Entry { return greylist.Entry{FirstSeen: at, LastSeen: at, PassedAt: at} }
	for _, c := range []struct {
		name               string
		there, told, after greylist.Entry
	}{
		{"passed later", passed(30_000), passed(20_000), passed(30_000)},
		{"passed earlier", greylist.Entry{FirstSeen: 1000, FirstAttempt: 900, LastSeen: 20_000, PassedAt: 20_000, Deferred: 3, Accepted: 4}, passed(30_000),
			greylist.Entry{FirstSeen: 1000, FirstAttempt: 900, LastSeen: 30_000, PassedAt: 30_000, Deferred: 3, Accepted: 4}},
		{"waiting", greylist.Entry{FirstSeen: 49_990, FirstAttempt: 49_000, LastSeen: 49_995, Deferred: 2}, passed(30_000),
			greylist.Entry{FirstSeen: 30_000, LastSeen: 49_995, PassedAt: 30_000, Deferred: 2}},
		{"waiting long enough", greylist.Entry{FirstSeen: 49_500, LastSeen: 49_500, Deferred: 1}, passed(30_000),
			greylist.Entry{FirstSeen: 30_000, LastSeen: 49_500, PassedAt: 30_000, Deferred: 1}},
	} {
		got := l.merge(c.there, c.told)
		if got != c.after || !l.fresh(got, c.told) || l.fresh(c.there, c.told) != (got == c.there) {
			t.Errorf("%s: %+v, want %+v; it is fresh: %v", c.name, got, c.after, l.fresh(c.there, c.told))
		}
	}
}
