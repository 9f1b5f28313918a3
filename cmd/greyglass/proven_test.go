package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
)

// rememberClient makes an entry of a client what is known of it.
func (s *site) rememberClient(client string, e greylist.ClientEntry) {
	s.t.Helper()
	s.withStore(func(store greylist.Store) error {
		_, err := store.Update(s.t.Context(), nil, func([]*greylist.Entry) greylist.Decision {
			return greylist.Decision{Keep: true, Client: &greylist.ClientWrite{Client: client, After: e}}
		})
		return err
	})
}

// TestClients: clients of which triplets have passed are shown, explained, counted, copied,
// forgotten and expired.
func TestClients(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"learn.proven_after": "2"})
	s.create()
	if got := s.output("list", "--clients", "--json"); got != "[]\n" {
		t.Errorf("an empty list is %q", got)
	}
	now := time.Now().Unix() - 60
	s.rememberClient("203.0.113.7", greylist.ClientEntry{FirstPassed: now - 7200, CountedAt: now - 3600, Passed: 2, LastSeen: now})
	s.rememberClient("2001:db8:1::/64", greylist.ClientEntry{FirstPassed: now, CountedAt: now, Passed: 1, LastSeen: now})
	s.rememberClient("198.51.100.1", greylist.ClientEntry{FirstPassed: longAgo, CountedAt: longAgo, Passed: 9, LastSeen: longAgo})

	table := fmt.Sprintf("CLIENT PROVEN PASSED FIRST PASSED COUNTED AT LAST SEEN\n198.51.100.1 no 9 %s %[1]s %[1]s\n2001:db8:1::/64 no 1 %s %[2]s %[2]s\n203.0.113.7 yes 2 %s %s %[2]s\n",
		listTime(longAgo, time.UTC), listTime(now, time.UTC), listTime(now-7200, time.UTC), listTime(now-3600, time.UTC))
	var got strings.Builder
	for line := range strings.Lines(s.output("list", "--clients")) {
		fmt.Fprintln(&got, strings.Join(strings.Fields(line), " "))
	}
	if got.String() != table {
		t.Errorf("got\n%swant\n%s", got.String(), table)
	}
	object := fmt.Sprintf("[\n {\"client\":\"203.0.113.7\",\"proven\":true,\"passed\":2,\"first_passed\":%d,\"counted_at\":%d,\"last_seen\":%d}\n]\n", now-7200, now-3600, now)
	if got := s.output("list", "--clients", "--client", "203.0.113.7", "--json"); got != string(withTimes([]byte(object))) {
		t.Errorf("got %s, want %s", got, object)
	}
	s.run("list", "--clients", "--waiting").fails(t, statusUsage, "--clients can only be combined with")
	s.sql(func(db *sql.DB) error {
		var client, first, counted, seen string
		var passed int
		err := db.QueryRow(`SELECT client, passed, first_passed, counted_at, last_seen FROM clients LIMIT 1`).Scan(&client, &passed, &first, &counted, &seen)
		if want := "2023-11-14 22:13:20"; client != "198.51.100.1" || passed != 9 || first != want || counted != want || seen != want {
			return errors.Join(err, fmt.Errorf("the view has %s %d %s %s %s", client, passed, first, counted, seen))
		}
		return err
	})

	attempt := []string{"203.0.113.7", "ann@example.net", "bob@example.org"}
	explained := s.output(append([]string{"explain"}, attempt...)...)
	if want := "203.0.113.7 has passed with 2 different triplets since " + listTime(now-7200, time.UTC) + " UTC, proven"; fields(explained)["reason"] != "proven-client" || !strings.Contains(explained, want) {
		t.Errorf("explained as\n%s", explained)
	}
	if got := s.output("stats"); !strings.Contains(got, "clients         3  ") || !strings.Contains(got, "proven: 1)") {
		t.Errorf("stats:\n%s", got)
	}
	var stats struct{ Clients, Proven int }
	if err := json.Unmarshal([]byte(s.output("stats", "--json")), &stats); err != nil || stats.Clients != 3 || stats.Proven != 1 {
		t.Errorf("stats --json: %+v, %v", stats, err)
	}

	s.keptByCopies("clients")
	line := fmt.Sprintf(`{"time":%d,"client_address":"203.0.113.7","sender":"ann@example.net","recipient":"bob@example.org","expect":"proven-client"}`, now+7200)
	if r := s.replay(line, "--store", "sqlite:"+s.db); r.status != 0 || r.stderr != "" {
		t.Errorf("replay: status %d, %s", r.status, r.stderr)
	}

	if got := s.output("expire"); got != "removed: 1\n" {
		t.Errorf("expire: %s", got)
	}
	if got := s.output("forget", "--client", "203.0.113.7"); got != "forgotten: 203.0.113.7\n" {
		t.Errorf("forget: %s", got)
	}
	s.run("forget", "--client", "203.0.113.7").fails(t, statusFailed, "no triplet of 203.0.113.7 is known to have passed")
	s.run("forget", "--client", "nonsense").fails(t, statusUsage, "CLIENT")
	s.run("forget", "--client", "203.0.113.7", "ann@example.net").fails(t, statusUsage)
	if got := fields(s.output(append([]string{"explain"}, attempt...)...))["reason"]; got != "not-seen-before" {
		t.Errorf("after forget: %s", got)
	}
	if got := s.output("list", "--clients"); !slices.Equal(strings.Fields(got)[9:12], []string{"2001:db8:1::/64", "no", "1"}) {
		t.Errorf("left: %s", got)
	}
}

// keptByCopies checks that copy and backup keep the three clients or correspondents.
func (s *site) keptByCopies(kind string) {
	s.t.Helper()
	all := s.output("list", "--"+kind, "--json")
	copied := "sqlite:" + s.path("copy.db")
	for _, want := range []string{"\n" + kind + ": 3 of 3, the others were there\n", "\n" + kind + ": 0 of 3, the others were there\n"} {
		if got := s.output("copy", "--from", "sqlite:"+s.db, "--to", copied); !strings.Contains(got, want) {
			s.t.Errorf("copy: %s, want %s", got, want)
		}
	}
	s.output("backup", s.path("backup.db"))
	for _, url := range []string{copied, "sqlite:" + s.path("backup.db")} {
		if got := s.output("list", "--"+kind, "--json", "--set", "store.url="+url); got != all {
			s.t.Errorf("%s has %s, want %s", url, got, all)
		}
	}
}

// TestReplayProvenClient: a provider proves itself as one, by triplets of an hour each.
func TestReplayProvenClient(t *testing.T) {
	t.Parallel()
	const pool = `"spf":"pass","spf_provider":"pool.example","sender":"ann@example.net"`
	const input = `{"time":10000,"client_address":"192.0.2.1","recipient":"a@example.org",` + pool + `}
{"time":10000,"client_address":"192.0.2.1","recipient":"b@example.org",` + pool + `}
{"time":10000,"client_address":"192.0.2.1","recipient":"c@example.org",` + pool + `}
{"time":14000,"client_address":"192.0.2.2","recipient":"a@example.org","expect":"now-grey",` + pool + `}
{"time":14000,"client_address":"192.0.2.3","recipient":"b@example.org","expect":"now-grey",` + pool + `}
{"time":15000,"client_address":"192.0.2.4","recipient":"d@example.org","expect":"not-seen-before",` + pool + `}
{"time":17600,"client_address":"192.0.2.5","recipient":"c@example.org","expect":"now-grey",` + pool + `}
{"time":17601,"client_address":"198.51.100.6","recipient":"d@example.org","expect":"proven-client",` + pool + `}
{"time":17601,"client_address":"192.0.2.1","sender":"ann@example.net","recipient":"e@example.org","expect":"not-seen-before"}
`
	s := newSite(t, conf{"learn.proven_after": "2", "greylist.client_identity": `"provider"`})
	r := s.replay(input)
	if last := `{"time":17601,"verdict":"accept","reason":"proven-client","wait":0}` + "\n"; r.status != 0 || r.stderr != "" || !strings.Contains(r.stdout, last) {
		t.Errorf("status %d, %s\n%s", r.status, r.stderr, r.stdout)
	}
}
