package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"greyglass/e2e/lab"
	"greyglass/greylist"
)

// printed are commands and what holds for their JSON, in the language of jq(1). Names in
// capitals stand for files of the site.
var printed = []struct{ command, holds string }{
	{"status", `.state == "ready" and .recent.judged >= 0 and (.started_utc | fromdateiso8601) == .started and .problems == [] and .exit_status == 0`},
	{"list", `length == 1 and (.[0] | .state == "waiting" and (.first_seen_utc | fromdateiso8601) == .first_seen and .passed_at == null and .passed_at_utc == null and .late == false and .retry_at == .first_seen + 3600 and .retry_at_utc != null)`},
	{"list --clients", `.[0] | .client == "203.0.113.7" and (.last_seen_utc | fromdateiso8601) == .last_seen`},
	{"list --correspondents", `.[0] | .local == "bob@example.org" and .first_seen_utc != null`},
	{"explain 203.0.113.7 ann@example.net bob@example.org", `.verdict == "defer" and .reason == "way-too-soon" and .wait > 0 and .retry_at == .time + .wait and
		.triplet.client == .client and .identity == .client and (.steps | length) > 3 and .triplet.first_seen_utc != null`},
	{"explain 127.0.0.1 ann@example.net bob@example.org", `.verdict == "accept" and .reason == "local" and .greylisted == false and .triplet == null and .reply == null and .wait == null and .retry_at_utc == null`},
	{"probe 203.0.113.9 <> bob@example.org", `.verdict == "defer" and .reason == null and .wait == null and .stage == "DATA" and (.reply | startswith("451 ")) and .sender == "<>"`},
	{"pass 203.0.113.7 ann@example.net bob@example.org", `.done == "pass" and .triplets == [{client: "203.0.113.7", sender: "ann@example.net", recipient: "bob@example.org"}] and (.says | length) > 0 and .obstacles == []`},
	{"forget --recipient bob@example.org --yes", `.done == "forget" and (.triplets | length) == 2`},
	{"stats", `(.periods | length) == 2 and (.periods[1] | .deferred == 2 and .median == null and (.since_utc | fromdateiso8601) == .since) and (.bars | length) > 20 and .observed == null and .by == null`},
	{"stats --by recipient", `.by.key == "recipient" and .senders == null`},
	{"stats --set greylist.mode=observe", `.observed.parts`},
	{"config", `(.keys[] | select(.key == "greylist.mode") | .value == "enforce" and .from == "default") and (.rules == [])`},
	{"expect bob@example.org --for 10m", `.state == "open" and .until - .since == 600 and .used_at == null`},
	{"expect --list", `.[0].sender == "*" and .[0].until_utc != null`},
	{"expect --cancel bob@example.org", `length == 1`},
	{"doctor", `length > 5 and all(has("check") and has("status") and has("says") and has("mend"))`},
	{"expire", `.removed == 0`},
	{"backup BACKUP", `.bytes > 0 and (.file | length) > 0`},
	{"copy --from sqlite:DB --to sqlite:COPY", `.triplets.written == 0 and .history.written == 1 and .clients.written == 1 and .came_meanwhile == 0`},
	{"version", `.version | length > 0`},
	{"log LOG", `.verdict == "defer" and (.time | startswith("2026-11-22T10:00:00")) and .time_unix == 1795341600 and .wait == 3600 and .delayed == null`},
	{"replay ATTEMPTS", `.time == 1000 and .verdict == "defer"`},
	{"replay --summary ATTEMPTS", `.attempts == 1 and .totals[0].reason == "not-seen-before"`},
	{"forecast LOG", `.since == null and .since_utc == null and .until == null and .days == []`},
	{"forecast MAIL", `(.configurations | length) > 1 and .since_utc != null and .dns == false`},
	{"learn --dry-run MAIL", `.dry_run and .triplets.written == 1 and .incoming == 1 and .damaged == []`},
	{"import --dry-run spamd SPAMDB", `.dry_run and .read.triplets == 1 and .triplets.written + .triplets.known + (.skipped | length) > 0`},
}

// noJSON are the commands that print nothing for programs, or what is a configuration.
var noJSON = []string{"serve", "import-config", "help"}

// TestJSON holds what commands print as JSON, and the page that describes it: it names each
// key.
func TestJSON(t *testing.T) {
	t.Parallel()
	for _, c := range new(program).root().Commands() {
		if c.Flags().Lookup("json") == nil && !slices.Contains(noJSON, c.Name()) {
			t.Errorf("%s has no --json", c.Name())
		}
	}
	_, err := exec.LookPath("jq")
	lab.Need(t, err == nil, "jq is not installed: what commands print as JSON is not checked")
	page, err := os.ReadFile(filepath.Join(contrib, "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	s := newJSONSite(t)
	files := strings.NewReplacer("BACKUP", s.path("backup.db"), "COPY", s.path("copy.db"), "DB", s.db, "LOG", s.path("log"),
		"ATTEMPTS", s.path("attempts.jsonl"), "MAIL", s.path("mail.log"), "SPAMDB", s.path("spamdb"))
	ran := make(map[string]bool)
	for _, c := range printed {
		args := strings.Fields(c.command)
		ran[args[0]] = true
		for i := range args {
			args[i] = files.Replace(args[i])
		}
		r := here(append(args, "--json", "--config", s.file)...)
		if r.status != statusOK && args[0] != "doctor" { // there is no mail server
			t.Errorf("%s: status %d, %s", c.command, r.status, r.stderr)
			continue
		}
		jq := exec.Command("jq", "-e", c.holds)
		jq.Stdin = strings.NewReader(r.stdout)
		if out, err := jq.CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s, of %s", c.command, err, out, r.stdout)
		}
		for _, key := range keysOf(t, r.stdout) {
			if !strings.Contains(string(page), "`"+strings.TrimSuffix(key, "_utc")+"`") {
				t.Errorf("%s: json.md does not have the key %s", c.command, key)
			}
		}
	}
	for _, c := range new(program).root().Commands() {
		if elsewhere := []string{"migrate"}; !ran[c.Name()] && !slices.Contains(append(elsewhere, noJSON...), c.Name()) {
			t.Errorf("the JSON of %s is not checked", c.Name())
		}
	}
}

// newJSONSite is a site that has something of everything, and a daemon.
func newJSONSite(t *testing.T) *site {
	t.Helper()
	s := newSite(t, nil)
	s.configure(conf{"listen.policy": quoted("unix:" + s.path("policy.sock"))})
	now := time.Now().Unix()
	s.remember("203.0.113.7", "ann@example.net", "bob@example.org", greylist.Entry{FirstSeen: now - 30, LastSeen: now - 30, Deferred: 1})
	s.rememberClient("203.0.113.7", greylist.ClientEntry{FirstPassed: now, CountedAt: now, Passed: 1, LastSeen: now})
	s.rememberCorrespondent("bob@example.org", "ann@example.net", now, now)
	s.withStore(func(store greylist.Store) error {
		return store.Record(t.Context(), greylist.History{Answered: []greylist.Answered{{Hour: greylist.HourOf(now), Via: "milter", Verdict: greylist.Defer, Reason: greylist.ReasonNotSeenBefore, Count: 2}}})
	})
	stamp := time.Unix(now, 0).UTC().Format(time.RFC3339)
	s.write("log", "time=2026-11-22T10:00:00.5Z level=INFO msg=decision verdict=defer reason=not-seen-before client=203.0.113.7 helo=mx.example.net sender=ann@example.net recipient=bob@example.org wait=3600 via=milter took=0.2ms\n")
	s.write("attempts.jsonl", `{"time":1000,"client_address":"203.0.113.7","sender":"ann@example.net","recipient":"bob@example.org"}`+"\n")
	s.write("mail.log", delivered(stamp, "4B00000001", "mx.shop.example[203.0.113.7]", "ann@shop.example", "bob@example.org"))
	s.write("spamdb", fmt.Sprintf("GREY|203.0.113.7|mx.example.net|<ann@example.net>|<bob@example.org>|%d|%d|%d|1|0\n", now, now+1500, now+9000))
	s.serve()
	return s
}

// keysOf returns the keys in a text of JSON values, except those that configurations and
// front ends choose, and those of an outcome of forecast, which has its own page.
func keysOf(t *testing.T, text string) (keys []string) {
	t.Helper()
	var collect func(any)
	collect = func(value any) {
		switch value := value.(type) {
		case []any:
			for _, v := range value {
				collect(v)
			}
		case map[string]any:
			for key, v := range value {
				keys = append(keys, key)
				if !slices.Contains([]string{"connections", "configurations", "days", "sites", "learn"}, key) {
					collect(v)
				}
			}
		}
	}
	for decoder := json.NewDecoder(strings.NewReader(text)); decoder.More(); {
		var value any
		if err := decoder.Decode(&value); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		collect(value)
	}
	return keys
}
