package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"greyglass/cmd/greyglass/internal/report"
	"greyglass/greylist"
)

// What the daemon has answered is in its database when it has ended, also what
// two have that share it, and stats tells of it.
func TestHistory(t *testing.T) {
	t.Parallel()
	windows := conf{"greylist.too_soon": "0", "greylist.min_defer_time": `"1s"`}
	s := newSite(t, windows)
	if empty := s.run("stats"); empty.status != statusDatabase {
		t.Errorf("without a database: %+v", empty)
	}
	s.create()
	if got := s.output("stats"); !strings.HasPrefix(got, "No history since ") {
		t.Errorf("without a history:\n%s", got)
	}
	daemon := s.serve()
	windows["store.url"] = fmt.Sprintf("%q", "sqlite:"+s.db)
	other := newSite(t, windows)
	second := other.serve()
	for _, at := range []*site{s, other, s} {
		at.ask("203.0.113.7", "ann@example.net", "bob@example.org")
		at.ask("203.0.113.7", "<>", "carol@example.org")
	}
	eventually(t, "ann is let through", func() bool {
		return s.ask("203.0.113.7", "ann@example.net", "bob@example.org").Verdict == greylist.Accept
	})
	daemon.stop()
	second.stop()

	answers := make(map[string]int)
	for _, d := range append(daemon.find(`"msg":"decision"`), second.find(`"msg":"decision"`)...) {
		answers[d.str("via")+" "+d.str("verdict")+" "+d.str("reason")]++
	}
	s.sql(func(db *sql.DB) error {
		rows, err := db.Query(`SELECT via || ' ' || verdict || ' ' || reason, sum(count) FROM answers GROUP BY 1`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var kind string
			var n int
			if err := rows.Scan(&kind, &n); err != nil {
				return err
			}
			if answers[kind] != n {
				t.Errorf("%d answers %q in the history, %d in the logs", n, kind, answers[kind])
			}
			delete(answers, kind)
		}
		return rows.Err()
	})
	if len(answers) > 0 {
		t.Errorf("not in the history: %v", answers)
	}

	var o struct {
		Waiting, Passed int64
		HistoryBegins   *int64 `json:"history_begins"`
		Periods         []report.Period
		Bars            []report.Bar
	}
	if err := json.Unmarshal([]byte(s.output("stats", "--json", "--since", "3h")), &o); err != nil {
		t.Fatal(err)
	}
	if len(o.Periods) != 1 || o.Periods[0].New != 2 || o.Periods[0].CameBack < 1 || o.Periods[0].Waited < 1 || len(o.Bars) != 4 || o.HistoryBegins == nil {
		t.Errorf("%+v", o)
	}
	table := s.output("stats")
	for _, want := range []string{
		`^In the last 24 hours \d+ recipients were judged: \d+ accepted `, `The history\s+begins\s+at 20`, `^The last 30 days \(since 20`, `^The last 24 hours \(since 20`,
		`^  new triplets +2 `, `^  came back +[12] `, `^New triplets by hour`, `^  example.net +1 `,
	} {
		if !regexp.MustCompile("(?m)" + want).MatchString(table) {
			t.Errorf("no line %s in:\n%s", want, table)
		}
	}
}

// TestStatsOfAPeriod: the sentences alone, a time in the past, and triplets by a key.
func TestStatsOfAPeriod(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.create()
	now := wallClock().Unix()
	hour := greylist.HourOf(now - 5*greylist.Hour)
	history := greylist.History{Answered: []greylist.Answered{
		{Hour: hour, Via: "milter", Verdict: greylist.Accept, Reason: greylist.ReasonAlreadyGrey, Count: 1234},
		{Hour: hour + greylist.Hour, Via: "milter", Verdict: greylist.Defer, Reason: greylist.ReasonNotSeenBefore, Count: 66},
	}, Returned: []greylist.Returned{{Hour: hour + greylist.Hour, Within: 3900, Count: 6}}}
	s.withStore(func(store greylist.Store) error { return store.Record(t.Context(), history) })
	s.remember("203.0.113.7", "ann@example.net", "bob@example.org", greylist.Entry{FirstSeen: now, LastSeen: now, Deferred: 1200})
	s.remember("203.0.113.8", "ann@example.com", "bob@example.org", greylist.Entry{FirstSeen: now, LastSeen: now, PassedAt: now, Deferred: 1, Accepted: 1})
	at := func(unix int64) string { return time.Unix(unix, 0).UTC().Format("2006-01-02 15:04") }
	want := "In the last 24 hours 1,300 recipients were judged: 1,234 accepted, 66 deferred. Of 66 new triplets 6 came back (9.1 %), half of them within 1h 2m; 60 may still. The history begins at "
	if got := strings.Join(strings.Fields(s.output("stats", "--brief")), " "); !strings.HasPrefix(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want = "From " + at(hour) + " to " + at(hour+greylist.Hour) + " UTC (rounded to whole hours of UTC) 1,234 recipients were judged: 1,234 accepted, 0 deferred."
	if got := strings.Join(strings.Fields(s.output("stats", "--brief", "--from", at(hour+60), "--to", at(hour+greylist.Hour))), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want = strings.Replace(want, " (rounded to whole hours of UTC)", "", 1)
	if got := strings.Join(strings.Fields(s.output("stats", "--brief", "--from", at(hour), "--to", at(hour+greylist.Hour))), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, by := range []string{"domain", "client", "recipient"} {
		if got := s.output("stats", "--json", "--by", by, "--from", "7d", "--to", "1d"); !strings.Contains(got, `"groups":[]`) {
			t.Errorf("what came later is in %s", got)
		}
	}
	if got := s.output("stats", "--json", "--from", "7d", "--to", "1d"); !strings.Contains(got, `"domains":[]`) {
		t.Errorf("what came later is in %s", got)
	}
	page := s.output("stats", "--by", "recipient")
	for _, want := range []string{"\n  RECIPIENT        TRIPLETS  PASSED  DEFERRED  ACCEPTED\n  bob@example.org         2       1     1,201         1\n", ": none\n", "\nwaiting         1 "} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in\n%s", want, page)
		}
	}
	for key, want := range map[string]string{"by": `{"key":"domain","records":2,"groups":[{"name":"example.net",`, "senders": "null", "observed": "null", "clients": "null", "proven": "null", "correspondents": "null"} {
		if got := s.output("stats", "--json", "--by", "domain"); !strings.Contains(got, `"`+key+`":`+want) {
			t.Errorf("%s is not %s in %s", key, want, got)
		}
	}
	if got := s.output("stats", "--json", "--from", "2h"); !strings.Contains(got, `"median":null,"p90":null,`) || !strings.Contains(got, `"history_begins":null,"history_begins_utc":null,`) {
		t.Errorf("no null in %s", got)
	}
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).Unix()
	for s, want := range map[string]int64{
		"7d": now - 7*24*3600, "36h": now - 36*3600, "90m": now - 90*60,
		"2026-11-22": now - 12*3600, "2026-11-22 11:30": now - 1800, "2026-11-22T11:30:00Z": now - 1800, "2026-11-22 11:30:00": now - 1800,
	} {
		if got, err := parseSince(s, now, time.UTC); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "yesterday", "7", "2026-11-22 11:00:00 CET", "-1h", "-1d", "0s", "2026-11-22 12:00", "2027-01-01", "99999999d"} {
		if got, err := parseSince(s, now, time.UTC); err == nil {
			t.Errorf("%q is %d", s, got)
		}
	}
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]int64{
		"2026-11-22 17:00": now - 1800, "2026-11-22 17:00:00 IST": now - 1800, "2026-11-22 11:30:00 UTC": now - 1800, "2026-11-22T11:30:00Z": now - 1800,
		"30m": now - 1800,
	} {
		if got, err := parseSince(s, now, kolkata); err != nil || got != want {
			t.Errorf("%s in India: %d, %v; want %d", s, got, err, want)
		}
	}
	if got := timeInWords(now, kolkata); got != "2026-11-22 17:30:00 IST" {
		t.Error(got)
	}
}

// Where the greylist only observes, stats begins with what it would have deferred.
func TestStatsObserve(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"greylist.mode": `"observe"`, "greylist.too_soon": "0", "greylist.min_defer_time": `"1s"`})
	daemon := s.serve()
	s.ask("203.0.113.7", "carol@example.net", "bob@example.org")
	eventually(t, "ann comes back", func() bool {
		s.ask("203.0.113.7", "ann@example.net", "bob@example.org")
		return len(daemon.find(`"reason":"now-grey"`)) > 0
	})
	daemon.stop()
	judged := int64(len(daemon.find(`"msg":"decision"`)))
	passed := int64(len(daemon.find(`"reason":"now-grey"`)) + len(daemon.find(`"reason":"already-grey"`)))
	var o struct{ Observed *report.Observation }
	if err := json.Unmarshal([]byte(s.output("stats", "--json")), &o); err != nil {
		t.Fatal(err)
	}
	if o.Observed == nil || o.Observed.Judged != judged || o.Observed.WouldDefer != judged-passed || o.Observed.CameBack != 1 {
		t.Errorf("%+v of %d", o.Observed, judged)
	}
	if page := s.output("stats"); !regexp.MustCompile(`^Since 20.* greylist.mode is observe: would have deferred so far\s\d+\sof\s\d+\srecipients\s\(\d+ %\);\scame\sback\sanyway:\s1\striplet\.`).MatchString(page) {
		t.Errorf("%s", page)
	}
	if page := s.output("stats", "--from", "3d", "--to", "2d"); !regexp.MustCompile(`^From 20.* UTC\s\(rounded\sto\swhole\shours\sof\sUTC\)\snothing\swas\sjudged`).MatchString(page) || strings.Contains(page, "Would have deferred") {
		t.Errorf("of another time: %s", page)
	}
}
