package main

import (
	"database/sql"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"greyglass/greylist"
)

// Some triplets, in the order in which they were first remembered.
const longAgo = 1_700_000_000 // 2023-11-14 22:13:20

var remembered = []greylist.Record{
	{Triplet: greylist.Triplet{Client: "203.0.113.7", Sender: "ann@example.net", Recipient: "bob@example.org"},
		Entry: greylist.Entry{FirstSeen: longAgo, LastSeen: longAgo + 60, Deferred: 2}},
	{Triplet: greylist.Triplet{Client: "203.0.113.7", Sender: "ann@example.net", Recipient: "carol@example.org"},
		Entry: greylist.Entry{FirstSeen: longAgo, LastSeen: longAgo + 5000, PassedAt: longAgo + 5000, Deferred: 1, Accepted: 3}},
	{Triplet: greylist.Triplet{Client: "2001:db8:1::/64", Sender: "<>", Recipient: "bob@example.org"},
		Entry: greylist.Entry{FirstSeen: longAgo - 10, LastSeen: longAgo - 10, Deferred: 1}},
	{Triplet: greylist.Triplet{Client: "192.0.2.1", Sender: `"a b"@example.net`, Recipient: "bob@example.org"},
		Entry: greylist.Entry{FirstSeen: longAgo + 1, LastSeen: longAgo + 4001, PassedAt: longAgo + 4001, Deferred: 1, Accepted: 1}},
}

func (s *site) rememberAll() {
	s.t.Helper()
	for _, r := range remembered {
		s.remember(r.Client, r.Sender, r.Recipient, r.Entry)
	}
}

func TestListTable(t *testing.T) {
	t.Parallel()
	eitherWay(t, nil, func(t *testing.T, s *site) {
		const heading = "STATE    CLIENT           SENDER             RECIPIENT          FIRST SEEN           LAST SEEN            PASSED AT            DEFERRED  ACCEPTED\n"
		if got := s.output("list"); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(heading), " ") {
			t.Errorf("an empty list: %s", got)
		}
		s.rememberAll()
		const want = heading +
			"waiting  203.0.113.7      ann@example.net    bob@example.org    2023-11-14 22:13:20  2023-11-14 22:14:20  -                    2         0\n" +
			"passed   203.0.113.7      ann@example.net    carol@example.org  2023-11-14 22:13:20  2023-11-14 23:36:40  2023-11-14 23:36:40  1         3\n" +
			"waiting  2001:db8:1::/64  <>                 bob@example.org    2023-11-14 22:13:10  2023-11-14 22:13:10  -                    1         0\n" +
			"passed   192.0.2.1        \"a b\"@example.net  bob@example.org    2023-11-14 22:13:21  2023-11-14 23:20:01  2023-11-14 23:20:01  1         1\n"
		if got := s.output("list"); got != want {
			t.Errorf("got:\n%swant:\n%s", got, want)
		}
	})
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	eitherWay(t, nil, func(t *testing.T, s *site) {
		s.rememberAll()
		for _, c := range []struct {
			args string
			want []int // of remembered
		}{
			{"", []int{0, 1, 2, 3}},
			{"--waiting", []int{0, 2}},
			{"--passed", []int{1, 3}},
			{"--waiting --passed", []int{0, 1, 2, 3}},
			{"--client 203.0.113.7", []int{0, 1}},
			{"--client 203.0.113.7/32", []int{0, 1}},
			{"--client [203.0.113.7]", []int{0, 1}},
			{"--client ::ffff:203.0.113.7", []int{0, 1}},
			{"--client 203.0.113.8", nil},
			{"--client 2001:db8:1::/64", []int{2}},
			{"--client 2001:DB8:1:0:1:2:3:4", []int{2}},
			{"--sender ann@example.net", []int{0, 1}},
			{"--sender <Ann@Example.NET>", []int{0, 1}},
			{"--sender <>", []int{2}},
			{"--sender nobody@example.net", nil},
			{"--recipient bob@example.org", []int{0, 2, 3}},
			{"--recipient BOB@example.org --passed", []int{3}},
			{"--client 203.0.113.7 --sender ann@example.net --recipient carol@example.org", []int{1}},
			{"--client 203.0.113.7 --sender ann@example.net --recipient carol@example.org --waiting", nil},
			{"--limit 1", []int{3}},
			{"--limit 3", []int{1, 2, 3}},
			{"--limit 9", []int{0, 1, 2, 3}},
			{"--limit 0", []int{0, 1, 2, 3}},
			{"--waiting --limit 1", []int{2}},
			{"--recipient bob@example.org --limit 2", []int{2, 3}},
		} {
			var want []greylist.Record
			for _, i := range c.want {
				want = append(want, remembered[i])
			}
			if got := s.list(strings.Fields(c.args)...); !slices.Equal(got, want) {
				t.Errorf("list %s: %v, want %v", c.args, got, want)
			}
		}
		if got := s.list("--sender", `<"A\ B"@example.net>`); !slices.Equal(got, remembered[3:]) {
			t.Errorf("list of a quoted sender: %v", got)
		}
		s.run("list", "--client", "203.0.113.0/24").fails(t, statusUsage, "--client", "clients are remembered by 32")
	})
}

// list is what 'list --json' prints, whose keys are checked.
func (s *site) list(args ...string) (records []greylist.Record) {
	s.t.Helper()
	text := s.output(append([]string{"list", "--json"}, args...)...)
	var objects []struct {
		State     string
		Client    string
		Sender    string
		Recipient string
		FirstSeen int64  `json:"first_seen"`
		LastSeen  int64  `json:"last_seen"`
		PassedAt  *int64 `json:"passed_at"`
		Deferred  int64
		Accepted  int64
	}
	if err := json.Unmarshal([]byte(text), &objects); err != nil {
		s.t.Fatalf("list --json: %v: %s", err, text)
	}
	for _, o := range objects {
		r := greylist.Record{
			Triplet: greylist.Triplet{Client: o.Client, Sender: o.Sender, Recipient: o.Recipient},
			Entry:   greylist.Entry{FirstSeen: o.FirstSeen, LastSeen: o.LastSeen, Deferred: o.Deferred, Accepted: o.Accepted},
		}
		if o.PassedAt != nil {
			r.PassedAt = *o.PassedAt
		}
		if o.State != r.State() {
			s.t.Errorf("the state %q of %s", o.State, text)
		}
		records = append(records, r)
	}
	return records
}

func TestListJSON(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.create()
	if got := s.output("list", "--json"); got != "[]\n" {
		t.Errorf("an empty list is %q", got)
	}
	s.rememberAll()
	got := s.output("list", "--json", "--client", "2001:db8:1::")
	const want = `[
 {"state":"waiting","client":"2001:db8:1::/64","sender":"<>","recipient":"bob@example.org",` +
		`"first_seen":1699999990,"last_seen":1699999990,"passed_at":null,"deferred":1,"accepted":0}
]
`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// Its keys are the columns of the database that are plain, and the state.
	var objects []map[string]any
	if err := json.Unmarshal([]byte(s.output("list", "--json")), &objects); err != nil || len(objects) != 4 {
		t.Fatalf("%d objects, %v", len(objects), err)
	}
	columns := []string{"state"}
	s.sql(func(db *sql.DB) error {
		rows, err := db.Query(`SELECT name FROM pragma_table_info('triplet') WHERE name NOT IN ('id', 'key')`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			columns = append(columns, name)
		}
		return rows.Err()
	})
	for _, o := range objects {
		var keys []string
		for key := range o {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		slices.Sort(columns)
		if !slices.Equal(keys, columns) {
			t.Errorf("keys %v, want %v", keys, columns)
		}
	}
}

// A problem in a list stops no command but those that ask the list.
func TestBrokenListStopsFew(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.rememberAll()
	s.write("blocked.list", "ann@example.net\nnot an address\n")
	complaint := "greyglass: " + s.path("blocked.list") + ":2: "
	for _, c := range []struct {
		args   string
		status int
		stdout string // is part of it
	}{
		{"list --recipient carol@example.org", 0, "carol@example.org"},
		{"stats", 0, "waiting"},
		{"pass 203.0.113.7 ann@example.net bob@example.org", 0, "passed"},
		{"forget 203.0.113.7 ann@example.net bob@example.org", 0, "forgotten"},
		{"forget --client 203.0.113.7", statusFailed, ""}, // which it does not know
		{"backup " + s.path("copy.db"), 0, ""},
		{"expire", 0, ""},
		{"explain 203.0.113.7 ann@example.net bob@example.org", statusConfig, ""},
		{"config", statusConfig, ""},
	} {
		r := s.run(strings.Fields(c.args)...)
		if r.status != c.status || !strings.Contains(r.stdout, c.stdout) || !strings.Contains("greyglass: "+r.stderr, complaint) {
			t.Errorf("%s: status %d\n%s%s", c.args, r.status, r.stdout, r.stderr)
		}
	}
}
