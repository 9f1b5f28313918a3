package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"greyglass/e2e/lab"
	"greyglass/greylist"
)

// Some triplets, in the order in which they were first remembered.
const longAgo = 1_700_000_000 // 2023-11-14 22:13:20

var remembered = []greylist.Record{
	{Triplet: greylist.Triplet{Client: "203.0.113.7", Sender: "ann@example.net", Recipient: "bob@example.org"},
		Entry: greylist.Entry{FirstSeen: longAgo, FirstAttempt: longAgo - 1000, LastSeen: longAgo + 60, Deferred: 2}},
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
		const heading = "STATE\tCLIENT\tSENDER\tRECIPIENT\tFIRST SEEN\tLAST SEEN\tPASSED AT\tDEFERRED\tACCEPTED\tRETRY OK\tFIRST ATTEMPT\n"
		if got := s.output("list"); got != heading {
			t.Errorf("an empty list: %s", got)
		}
		s.rememberAll()
		const rows = "late\t203.0.113.7\tann@example.net\tbob@example.org\t2023-11-14 22:13:20\t2023-11-14 22:14:20\t-\t2\t0\t-\t2023-11-14 21:56:40\n" +
			"passed\t203.0.113.7\tann@example.net\tcarol@example.org\t2023-11-14 22:13:20\t2023-11-14 23:36:40\t2023-11-14 23:36:40\t1\t3\t-\t2023-11-14 22:13:20\n" +
			"late\t2001:db8:1::/64\t<>\tbob@example.org\t2023-11-14 22:13:10\t2023-11-14 22:13:10\t-\t1\t0\t-\t2023-11-14 22:13:10\n" +
			"passed\t192.0.2.1\t\"a b\"@example.net\tbob@example.org\t2023-11-14 22:13:21\t2023-11-14 23:20:01\t2023-11-14 23:20:01\t1\t1\t-\t2023-11-14 22:13:21\n"
		if got := s.output("list"); got != heading+rows {
			t.Errorf("got:\n%swant:\n%s", got, heading+rows)
		}
		for _, of := range []string{"--clients", "--correspondents"} {
			if got := s.output("list", of, "--no-header"); strings.Contains(got, "LAST SEEN") {
				t.Errorf("%s: %s", of, got)
			}
		}
		if got := s.output("list", "--no-header"); got != rows {
			t.Errorf("without a header: %s", got)
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
			{"--sender @example.net", []int{0, 1, 3}},
			{"--sender @example.net --limit 1", []int{3}},
			{"--sender @net", nil},
			{"--sender ann", nil},
			{"--sender @*.net", []int{0, 1, 3}},
			{"--sender *", []int{0, 1, 2, 3}},
			{"--recipient carol", []int{1}},
			{"--recipient @EXAMPLE.org --sender @example.net --waiting", []int{0}},
			{"--domain example.net", []int{0, 1, 3}},
			{"--domain example.net --recipient carol", []int{1}},
			{"--domain ample.net", nil},
			{"--client 203.0.113.0/24", []int{0, 1}},
			{"--client 203.0.113", []int{0, 1}},
			{"--client 2001:db8::/32", []int{2}},
			{"--client 2001:db8:1::1/128", []int{2}},
			{"--client spf:example.net", nil},
			{"--reason too-late", []int{0, 2}},
			{"--reason grey-too-long", []int{1, 3}},
			{"--reason too-late --sender @example.net", []int{0}},
			{"--since 2023-11-14", []int{0, 1, 2, 3}},
			{"--since 2023-11-14T23:30:00Z", []int{1, 3}}, // an hour more,
			{"--sort first_seen", []int{2, 0, 1, 3}},
			{"--sort sender --limit 2", []int{0, 1}},
			{"--sort client", []int{3, 2, 0, 1}},
			{"--sort accepted --limit 1", []int{1}},
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
		for _, c := range [][]string{
			{"--client", "203.0.113.300", "--client"},
			{"--sender", "ann@", "--sender", "nothing after the @"},
			{"--sender", "", "--sender is empty"},
			{"--recipient", "<>", "--recipient", "never a recipient"},
			{"--domain", "a b", "--domain", "not a domain"},
			{"--reason", "late", `--reason "late" is none`, "too-late"},
			{"--sort", "age", "--sort takes one of accepted", "first_attempt"},
			{"--since", "yesterday", "--since takes"},
			{"--limit", "-1", "--limit is negative"},
		} {
			s.run("list", c[0], c[1]).fails(t, statusUsage, c[2:]...)
		}
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

		FirstAttempt *int64 `json:"first_attempt"`
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
		if o.FirstAttempt != nil {
			r.FirstAttempt = *o.FirstAttempt
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
		`"first_seen":1699999990,"last_seen":1699999990,"passed_at":null,"deferred":1,"accepted":0,"first_attempt":null,"retry_at":null,"late":true}
]
`
	if got != string(withTimes([]byte(want))) {
		t.Errorf("got %s, want %s", got, want)
	}
	// Its keys are the columns of the database that are plain, the state, and when a retry passes.
	var objects []map[string]any
	if err := json.Unmarshal([]byte(s.output("list", "--json")), &objects); err != nil || len(objects) != 4 {
		t.Fatalf("%d objects, %v", len(objects), err)
	}
	columns := []string{"state", "retry_at", "late"}
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
			if !strings.HasSuffix(key, "_utc") {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		slices.Sort(columns)
		if !slices.Equal(keys, columns) {
			t.Errorf("keys %v, want %v", keys, columns)
		}
	}
}

// A problem in a list or a rule stops no command but those that ask the rules.
func TestBrokenListStopsFew(t *testing.T) {
	t.Parallel()
	for _, broken := range []struct {
		list, rule, complaint string
	}{
		{"ann@example.net\nnot an address\n", "", "blocked.list:2: "},
		{"", "\n[[rule]]\nname = \"typo\"\nwhen = 'sendr == \"ann@example.net\"'\nthen = \"accept\"\n", `rule "typo": when`},
		{"", "\n[[rule]]\nname = \"typo\"\nwen = 'true'\nthen = \"accept\"\n", `rule "typo": wen`},
	} {
		t.Run(broken.complaint, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			s.rememberAll()
			s.write("blocked.list", broken.list)
			s.write("greyglass.toml", s.read("greyglass.toml")+broken.rule)
			stopsFew(t, s, broken.complaint)
		})
	}
}

func stopsFew(t *testing.T, s *site, complaint string) {
	for _, c := range []struct {
		args   string
		status int
		stdout string // is part of it
	}{
		{"list --recipient carol@example.org", 0, "carol@example.org"},
		{"list --clients", 0, ""},
		{"list --json", 0, "carol@example.org"},
		{"stats", 0, ""},
		{"expect bob@example.org", 0, "expected: "},
		{"expect --list", 0, "bob@example.org"},
		{"expect --cancel bob@example.org", 0, "cancelled: "},
		{"pass --domain example.net --yes", 0, "passed: 1 triplet;"},
		{"pass 203.0.113.7 ann@example.net bob@example.org", 0, "passed"},
		{"forget 203.0.113.7 ann@example.net bob@example.org", 0, "forgotten"},
		{"forget --client 203.0.113.7", statusFailed, ""}, // which it does not know
		{"backup " + s.path("copy.db"), 0, ""},
		{"expire", 0, ""},
		{"explain 203.0.113.7 ann@example.net bob@example.org", statusConfig, ""},
		{"config", statusConfig, ""},
		{"probe 203.0.113.7 ann@example.net bob@example.org", statusConfig, ""},
		{"serve", statusConfig, ""},
	} {
		r := s.run(strings.Fields(c.args)...)
		if r.status != c.status || !strings.Contains(r.stdout, c.stdout) || !strings.Contains(r.stderr, complaint) {
			t.Errorf("%s: status %d\n%s%s", c.args, r.status, r.stdout, r.stderr)
		}
	}
}

// TestListOnATerminal: the newest, in the width of the terminal; hostile addresses do nothing
// to it.
func TestListOnATerminal(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.create()
	now := wallClock().Unix()
	for n := range 60 {
		s.remember("203.0.113.7", fmt.Sprintf("ann%d@example.net", n), "bob@example.org", greylist.Entry{FirstSeen: now - 630, LastSeen: now - 190, Deferred: 2})
	}
	s.remember("2001:db8:1234:5678::/64", "a-very-long-local-part-of-a-sender@shop.example", "somebody.else@example.org",
		greylist.Entry{FirstSeen: longAgo, LastSeen: longAgo, Deferred: 1})
	s.remember("192.0.2.1", "a\x1b[31m\u202eb@example.net", "bob@example.org", greylist.Entry{FirstSeen: now - 7200, LastSeen: now - 70, PassedAt: now - 70, Deferred: 1, Accepted: 4})
	onTerminal := func(columns int, args string) []string {
		return strings.Split(strings.TrimSuffix(s.onTerminal(columns, "", "list", args), "\n"), "\n")
	}
	got := onTerminal(80, "--client 203.0.113.7 --limit 2")
	if want := []string{
		"STATE    SEEN   RETRY OK  TRIES  CLIENT       SENDER             RECIPIENT",
		"waiting  3m     in 49m    2      203.0.113.7  ann58@example.net  bob@example.org",
		"waiting  3m     in 49m    2      203.0.113.7  ann59@example.net  bob@example.org",
		"2, and there are more; --all shows all, --wide all columns",
	}; !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	got = onTerminal(80, "")
	if want := "50 of 62; --all shows all, --wide all columns"; len(got) != 52 || got[len(got)-1] != want {
		t.Errorf("%d lines; the last is %q, want %q", len(got), got[len(got)-1], want)
	}
	for _, c := range []struct {
		columns int
		args    string
		lines   int
		holds   string
	}{
		{80, "--all", 63, "\nlate    "},
		{80, "--all --no-header", 62, " ..234:5678::/64 a-ver..@shop.example somebo..@example.org"},
		{80, "--client 192.0.2.1", 2, "passed  1m    -        192.0.2.1 "},
		{80, "--client 203.0.113.7 --limit 60", 61, "ann59@example.net"},
		{80, "--sort sender --sender @example.net --limit 2", 4, "2 of 61; --all"},
		{60, "--limit 3", 5, "3 of 62;"},
		{140, "--sender @shop.example", 2, "a-very-long-local-part-of-a-sender@shop.example"},
		{80, "--passed --wide", 2, "FIRST ATTEMPT"},
		{80, "--recipient nobody", 1, "STATE"},
		{80, "--json --waiting --limit 1", 3, `"state":"waiting"`},
	} {
		got := onTerminal(c.columns, c.args)
		text := strings.Join(got, "\n")
		if len(got) != c.lines || !strings.Contains(text, c.holds) || strings.ContainsAny(text, "\x1b\u202e") {
			t.Errorf("%d columns, list %s: %d lines, want %d with %q\n%q", c.columns, c.args, len(got), c.lines, c.holds, text)
		}
		for _, line := range got {
			if n := utf8.RuneCountInString(line); n > c.columns && !strings.Contains(c.args, "--wide") && !strings.Contains(c.args, "--json") {
				t.Errorf("%d columns, list %s: a line of %d: %s", c.columns, c.args, n, line)
			}
		}
	}
}

// TestListTimes: times are local on a terminal, which names the zone, and else UTC.
func TestListTimes(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.environ = append(s.environ, "TZ=Asia/Kolkata")
	s.remember("203.0.113.7", "ann@example.net", "bob@example.org", greylist.Entry{FirstSeen: longAgo, LastSeen: longAgo, Deferred: 1})
	s.rememberClient("203.0.113.7", greylist.ClientEntry{FirstPassed: longAgo, CountedAt: longAgo, Passed: 1, LastSeen: longAgo})
	s.rememberCorrespondent("bob@example.org", "ann@example.net", longAgo, longAgo)
	for _, table := range []string{"--wide", "--clients", "--correspondents"} {
		const local, utc = "2023-11-15 03:43:20 IST", "2023-11-14 22:13:20"
		if got := s.onTerminal(250, "", "list", table); !strings.Contains(got, local) || strings.Contains(got, utc) {
			t.Errorf("list %s on a terminal has no %s:\n%s", table, local, got)
		}
		if got := s.output("list", table); !strings.Contains(got, utc) || strings.Contains(got, "IST") {
			t.Errorf("list %s to a pipe has no %s:\n%s", table, utc, got)
		}
	}
}

// onTerminal runs a command on a terminal, of so many columns, that answers its question.
func (s *site) onTerminal(columns int, answer, command, args string) string {
	s.t.Helper()
	cmd := s.terminal(columns, command, args)
	if answer != "" {
		cmd.Stdin = strings.NewReader(answer)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	return strings.ReplaceAll(string(out), "\r\n", "\n")
}

// terminal is a run of a command on a terminal of so many columns, not started yet.
func (s *site) terminal(columns int, command, args string) *exec.Cmd {
	s.t.Helper()
	_, err := exec.LookPath("script")
	lab.Need(s.t, err == nil, "no terminal can be had: the program script is not installed")
	cmd := s.command(s.t.Context(), command)
	line := fmt.Sprintf("stty cols %d; exec '%s' %s", columns, strings.Join(cmd.Args, "' '"), args)
	cmd.Path, cmd.Args = "/usr/bin/script", []string{"script", "-qc", line, "/dev/null"}
	return cmd
}
