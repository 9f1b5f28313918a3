package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"greyglass/greylist"
)

// hostile is an address that would clear the screen, turn the direction of writing, and
// begin a line.
const hostile = "a\x1b[2J\u202eb\u009b1m\n@example.net"

// TestTranscripts: status, stats and log on a terminal of 80 columns, on a wide and on a
// narrow one, with and without colours. Hostile addresses do nothing to it.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.configure(conf{"listen.policy": quoted("unix:" + s.path("policy.sock"))})
	s.environ = append(s.environ, "TERM=xterm", "TZ=Asia/Kolkata")
	now := time.Now().Unix()
	for i, sender := range []string{hostile, "ann@" + strings.Repeat("long-", 20) + "shop.example", "bob@example.net"} {
		s.remember("203.0.113.7", sender, "bob@example.org", greylist.Entry{FirstSeen: now, LastSeen: now, Deferred: int64(3000 - i)})
	}
	hour := greylist.HourOf(now - 5*greylist.Hour)
	s.withStore(func(store greylist.Store) error {
		return store.Record(t.Context(), greylist.History{
			Answered: []greylist.Answered{
				{Hour: hour, Via: "milter", Verdict: greylist.Accept, Reason: greylist.ReasonAlreadyGrey, Count: 12345},
				{Hour: hour, Via: "milter", Verdict: greylist.Defer, Reason: greylist.ReasonNotSeenBefore, Count: 66},
			},
			Returned: []greylist.Returned{{Hour: hour, Within: 3900, Count: 6}},
			Used:     []greylist.Used{{List: "known", Entry: hostile, At: now}},
		})
	})
	var log strings.Builder
	for _, verdict := range []string{"defer", "accept", "deny"} {
		fmt.Fprintf(&log, "time=2026-11-22T10:00:00Z level=INFO msg=decision verdict=%s reason=x client=203.0.113.7 helo=%q sender=%q recipient=bob@example.org wait=3600\n", verdict, hostile, hostile)
	}
	s.write("log", log.String())
	daemon := s.serve()
	s.ask("203.0.113.7", "ann@example.net", "bob@example.org")
	file := "'" + s.path("log") + "'"
	paint := regexp.MustCompile(`\x1b\[(?:3[123]|0)m`)
	for _, c := range []struct {
		columns       int
		command, args string
		lines         int // at most; of a status, so that it fits the screen
		holds         []string
	}{
		{80, "status", "", 24, []string{"mail      in the last ", ": 0 accepted, 1 deferred, 0 denied\n", "\x1b[32mAll is well.\x1b[0m"}},
		{60, "status", "", 24, []string{"database  works: sqlite:/"}},
		{140, "status", "", 24, []string{"works: sqlite:" + s.db + "\n"}},
		{80, "status", "--json", 1, []string{`"state":"ready"`}},
		{80, "stats", "", 0, []string{"In the last 24 hours 12,412 recipients were judged: 12,345 accepted, 67 deferred.", ", IST (", ": none\n", "5,999", "\nwaiting "}},
		{80, "stats", "--utc --by domain", 0, []string{"hour, UTC (", "  DOMAIN  ", "..", "5,999"}},
		{140, "stats", "--brief", 3, []string{"came back (9.0 %)"}},
		{80, "stats", "--json --by recipient", 1, []string{`"by":{"key":"recipient"`}},
		{80, "log", file, 0, []string{"2026-11-22 15:30:00 IST \x1b[33mdeferred\x1b[0m ", "\x1b[32maccepted\x1b[0m", "\x1b[31mdenied  \x1b[0m"}},
		{140, "log", "--utc --limit 1 " + file, 0, []string{"2026-11-22 10:00:00 UTC "}},
		{80, "log", "--since '2026-11-22 15:31:00 IST' " + file, 1, []string{"greyglass: none of the 3 decisions in "}},
		{80, "explain", "203.0.113.7 '<>' bob@example.org", 0, []string{"> greylist 203.0.113.7 <> bob@example.org has not been seen before", ", until ", " IST\n"}},
		{80, "forget", "--help", 0, []string{"\n  greyglass forget --sender PATTERN ... [flags]\n"}},
		{80, "log", "--json " + file, 3, []string{`"time_unix":1795341600`}},
		{80, "list", "--json", 6, []string{`\u202e`}},
		{80, "list", "", 5, []string{"STATE SEEN RETRY OK CLIENT SENDER RECIPIENT", "bob@example.org"}},
		{60, "list", "--limit 2", 4, []string{"2 of 4;"}},
		{140, "list", "--sender bob@example.net", 2, []string{"waiting"}},
	} {
		if c.command != "status" {
			daemon.stop() // which records the counts of the minute
		}
		for _, plain := range []bool{false, true} {
			here := *s
			if plain {
				here.environ = append(slices.Clone(s.environ), "NO_COLOR=1")
			}
			page := here.onTerminal(c.columns, "", c.command, c.args)
			name := fmt.Sprintf("%d columns, %s %s, NO_COLOR %v", c.columns, c.command, c.args, plain)
			text := paint.ReplaceAllString(page, "")
			if plain && text != page {
				t.Errorf("%s: colours in %q", name, page)
			}
			if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && (r < ' ' || r == '\u202e' || r == '\u009b') }) {
				t.Errorf("%s: %q", name, page)
			}
			for _, holds := range c.holds {
				if plain {
					holds = paint.ReplaceAllString(holds, "")
				}
				if !strings.Contains(strings.Join(strings.Fields(page), " "), strings.Join(strings.Fields(holds), " ")) {
					t.Errorf("%s: no %q in\n%s", name, holds, page)
				}
			}
			lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			if c.lines > 0 && len(lines) > c.lines {
				t.Errorf("%s: %d lines\n%s", name, len(lines), page)
			}
			for _, line := range lines {
				if width := utf8.RuneCountInString(line); width > c.columns && !strings.Contains(c.args, "--json") {
					t.Errorf("%s: a line of %d: %s", name, width, line)
				}
			}
		}
	}
}
