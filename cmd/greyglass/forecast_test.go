package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"greyglass/cmd/greyglass/internal/forecast"
)

// daysOfPostfix is the log of days, up to yesterday, on each of which ann writes to bob from
// her server, someone writes to him from a line for the first time, and a client is
// rejected; and a user of ours writes to ann.
func daysOfPostfix(days int) string {
	var b strings.Builder
	for i := range days {
		at := wallClock().UTC().AddDate(0, 0, i-days).Truncate(24 * time.Hour).Add(10 * time.Hour)
		line := func(service, format string, args ...any) {
			fmt.Fprintf(&b, "%s mx postfix/%s[7]: %s\n", at.Format(time.RFC3339), service, fmt.Sprintf(format, args...))
			at = at.Add(time.Second)
		}
		message := func(id, client, from, to, delivery string) {
			line("smtpd", "%s%d: client=%s", id, i, client)
			line("qmgr", "%s%d: from=<%s>, size=321, nrcpt=1 (queue active)", id, i, from)
			line(delivery, "%s%d: to=<%s>, relay=x, delay=0.1, delays=0.1/0/0/0, dsn=2.0.0, status=sent (ok)", id, i, to)
			line("qmgr", "%s%d: removed", id, i)
		}
		message("4AAAA", "mail.example.net[203.0.113.7]", "ann@example.net", "bob@example.org", "local")
		message("4BBBB", fmt.Sprintf("unknown[198.51.100.%d]", i), fmt.Sprintf("new@home%d.example", i), "bob@example.org", "local")
		message("4CCCC", "laptop[192.0.2.9], sasl_method=PLAIN, sasl_username=bob", "bob@example.org", "ann@example.net", "smtp")
		line("smtpd", "NOQUEUE: reject: RCPT from unknown[192.0.2.66]: 550 5.1.1 <x@example.org>: User unknown; from=<s@example.com> to=<x%d@example.org> proto=ESMTP helo=<x>", i)
	}
	return b.String()
}

func TestForecast(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"greylist.mode": `"observe"`})
	s.write("mail.log", daysOfPostfix(10))
	page := s.output("forecast", "mail.log")
	for _, want := range []string{
		"\n20 messages were delivered\n",
		"  accepted at once             9  45.0 %         9  45.0 %        10  50.0 %\n",
		"\n10 messages were rejected, or spam\n  deferred                    10 100.0 %",
		"  If it reads this log first, expect 50.0 % in the first days, not 60.0 %.\n",
		"  198.51.100.0/24                           10          10          10\n",
		"\nNot judged: 10 messages that are not known to be from outside",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	var r forecast.Result
	if err := json.Unmarshal([]byte(s.output("forecast", "--json", "--since", "5d", "--set", "greylist.min_defer_time=5m", "mail.log")), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Configurations) != 3 || r.Configurations[0].Delivered.Messages != 2*int64(len(r.Days)) || r.Configurations[0].Median > 700 || r.Configurations[1].Median < 3600 || r.Sites[0].Pool || r.Learn == nil {
		t.Errorf("%+v", r)
	}
	s.run("forecast").fails(t, 64, "LOGFILE is missing")
	s.run("forecast", "nowhere").fails(t, 1, "nowhere: no such file")
	s.run("forecast", "--since", "soon", "mail.log").fails(t, 64, "--since takes a time")
	s.write("empty.log", "")
	if page := s.output("forecast", "empty.log"); !strings.HasPrefix(page, "No mail from outside was found.\n") {
		t.Errorf("of nothing: %s", page)
	}
}

// TestForecastInterrupted: a forecast that waits for more of its log ends when it is
// interrupted, and prints no page.
func TestForecastInterrupted(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	r := s.interrupted(daysOfPostfix(10), func() bool { return true }, "forecast", "-")
	if r.status != statusFailed || r.stdout != "" || progress.ReplaceAllString(r.stderr, "") != "greyglass: interrupted\n" {
		t.Errorf("%+v", r)
	}
}
