package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
)

// rememberCorrespondent stores a correspondent.
func (s *site) rememberCorrespondent(local, remote string, first, last int64) {
	s.withStore(func(store greylist.Store) error {
		_, err := store.Update(s.t.Context(), nil, func([]*greylist.Entry) greylist.Decision {
			return greylist.Decision{Keep: true, Correspondents: &greylist.CorrespondentNotes{Now: last, Records: []greylist.CorrespondentRecord{{
				Correspondent: greylist.Correspondent{Local: local, Remote: remote}, CorrespondentEntry: greylist.CorrespondentEntry{FirstSeen: first, LastSeen: last}}}}}
		})
		return err
	})
}

// TestCorrespondents: what the commands show and forget of correspondents.
func TestCorrespondents(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"learn.outbound": "true", "learn.local_domains": `["example.org"]`})
	s.create()
	if got := s.output("list", "--correspondents", "--json"); got != "[]\n" {
		t.Errorf("an empty list is %q", got)
	}
	now := time.Now().Unix() - 60
	s.rememberCorrespondent("bob@example.org", "ann@example.net", now-7200, now)
	s.rememberCorrespondent("bob@example.org", "joe@example.com", longAgo, longAgo)
	s.rememberCorrespondent("ada@example.org", "ann@example.net", now, now)

	table := fmt.Sprintf("LOCAL REMOTE FIRST SEEN LAST SEEN\nada@example.org ann@example.net %[1]s %[1]s\nbob@example.org ann@example.net %[2]s %[1]s\nbob@example.org joe@example.com %[3]s %[3]s\n",
		listTime(now, time.UTC), listTime(now-7200, time.UTC), listTime(longAgo, time.UTC))
	var got strings.Builder
	for line := range strings.Lines(s.output("list", "--correspondents")) {
		fmt.Fprintln(&got, strings.Join(strings.Fields(line), " "))
	}
	if got.String() != table {
		t.Errorf("got\n%swant\n%s", got.String(), table)
	}
	object := fmt.Sprintf("[\n {\"local\":\"bob@example.org\",\"remote\":\"ann@example.net\",\"first_seen\":%d,\"last_seen\":%d}\n]\n", now-7200, now)
	if got := s.output("list", "--correspondents", "--recipient", "Bob+x@example.org", "--sender", "ann+y@example.net", "--json"); got != string(withTimes([]byte(object))) {
		t.Errorf("got %s, want %s", got, object)
	}
	s.run("list", "--correspondents", "--client", "192.0.2.1").fails(t, statusUsage, "--correspondents can only be combined with")
	s.sql(func(db *sql.DB) error {
		var local, remote, first, last string
		err := db.QueryRow(`SELECT local, remote, first_seen, last_seen FROM correspondents WHERE remote = 'joe@example.com'`).Scan(&local, &remote, &first, &last)
		if want := "2023-11-14 22:13:20"; local != "bob@example.org" || first != want || last != want {
			return errors.Join(err, fmt.Errorf("the view has %s %s %s %s", local, remote, first, last))
		}
		return err
	})

	attempt := []string{"203.0.113.7", "ann+y@example.net", "bob@example.org"}
	explained := s.output(append([]string{"explain"}, attempt...)...)
	if want := "bob@example.org has written to ann@example.net, last at " + listTime(now, time.UTC); fields(explained)["reason"] != "correspondent" || !strings.Contains(explained, want) {
		t.Errorf("explained as\n%s", explained)
	}
	if got := s.output("stats"); !strings.Contains(got, "correspondents  3  ") {
		t.Errorf("stats:\n%s", got)
	}
	var stats struct{ Correspondents int }
	if err := json.Unmarshal([]byte(s.output("stats", "--json")), &stats); err != nil || stats.Correspondents != 3 {
		t.Errorf("stats --json: %+v, %v", stats, err)
	}

	s.keptByCopies("correspondents")
	line := fmt.Sprintf(`{"time":%d,"client_address":"203.0.113.7","sender":"ann@example.net","recipient":"bob@example.org","expect":"correspondent"}`, now+7200)
	if r := s.replay(line, "--store", "sqlite:"+s.db); r.status != 0 || r.stderr != "" {
		t.Errorf("replay: status %d, %s", r.status, r.stderr)
	}

	if got := s.output("expire"); got != "removed: 1\n" {
		t.Errorf("expire: %s", got)
	}
	forget := []string{"forget", "--correspondent", "bob@example.org", "Ann+y@example.net"}
	if got := s.output(forget...); got != "forgotten: bob@example.org has written to ann@example.net\n" {
		t.Errorf("forget: %s", got)
	}
	s.run(forget...).fails(t, statusFailed, "bob@example.org is not known to have written to ann@example.net")
	s.run("forget", "--correspondent", "bob@example.org").fails(t, statusUsage, "REMOTE is missing")
	s.run("forget", "--correspondent", "--client", "192.0.2.1").fails(t, statusUsage, "--client and --correspondent")
	if got := fields(s.output(append([]string{"explain"}, attempt...)...))["reason"]; got != "not-seen-before" {
		t.Errorf("after forget: %s", got)
	}
}

// TestReplayCorrespondent: outgoing lines teach a replay, unless learn.outbound is off.
func TestReplayCorrespondent(t *testing.T) {
	t.Parallel()
	const input = `{"time":10000,"client_address":"192.0.2.1","sender":"bob@example.org","recipient":"ann@example.net","sasl_username":"bob","expect":"authenticated"}
{"time":10001,"client_address":"203.0.113.7","sender":"ann@example.net","recipient":"bob@example.org","expect":"correspondent"}
{"time":10001,"client_address":"203.0.113.7","sender":"ann@example.net","recipient":"ada@example.org","expect":"not-seen-before"}
{"time":10001,"client_address":"203.0.113.7","sender":"","recipient":"bob@example.org","expect":"not-seen-before"}
{"time":96401,"client_address":"203.0.113.7","sender":"ann@example.net","recipient":"bob@example.org","expect":"not-seen-before"}
`
	s := newSite(t, conf{"learn.outbound": "true", "rules.allowed_domains": `["example.org"]`, "learn.keep": `"1d"`, "rules.foreign_domain_action": `"accept"`})
	if r := s.replay(input); r.status != 0 || r.stderr != "" {
		t.Errorf("status %d, %s\n%s", r.status, r.stderr, r.stdout)
	}
	if r := s.replay(input, "--set", "learn.outbound=false"); r.status != 1 || !strings.Contains(r.stderr, ":2: defer (not-seen-before) where correspondent was expected") {
		t.Errorf("without learn.outbound: status %d, %s", r.status, r.stderr)
	}
}
