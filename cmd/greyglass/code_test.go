package main

import (
	"regexp"
	"strings"
	"testing"
)

// A reply can say whom to ask, and by which code explain finds the decision: in the
// database, also after a restart, or else in the log, whose lines have it too.
func TestCodeOfAReply(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{
		"greylist.reply":            `"451 4.7.1 Wait {wait}, or ask {contact}; {url} {queue_id}"`,
		"blocked.deny_reply":        `"550 5.7.1 Blocked, ask {contact} about {code}"`,
		"blocked.action":            `"deny"`,
		"reply.contact":             `"help@example.org"`,
		"reply.url":                 `"https://example.org/?c={code}"`,
		"rules.allowed_domains":     `["example.org"]`,
		"rules.foreign_defer_reply": `"451 4.7.1 Not ours; wait {wait}"`,
	})
	s.write("blocked.list", "@pest.example\n")
	daemon := s.serve()
	reply := func(client, sender, recipient, want string) (code string) {
		t.Helper()
		got := fields(s.output("probe", client, sender, recipient))["reply"]
		found := regexp.MustCompile("^" + want + "$").FindStringSubmatch(got)
		if found == nil {
			t.Fatalf("replied %q, want %s", got, want)
		}
		if explained := fields(s.output("explain", client, sender, recipient))["reply"]; explained != got {
			t.Errorf("replied %q, explain says %q", got, explained)
		}
		return found[len(found)-1]
	}
	const code = `([A-Z2-7]{4}-[A-Z2-7]{4})`
	greylisted := reply("2001:db8::7", "ann@example.net", "bob@example.org",
		`451 4\.7\.1 Wait 1 hour, or ask help@example\.org; https://example\.org/\?c=`+code+` NOQUEUE`)
	blocked := reply("203.0.113.7", "x@pest.example", "bob@example.org", `550 5\.7\.1 Blocked, ask help@example\.org about `+code)
	reply("203.0.113.7", "ann@example.net", "bob@elsewhere.example", `(451 4\.7\.1 Not ours; wait some time)`)
	for _, c := range []string{greylisted, blocked} {
		daemon.wait(`"msg":"decision"`, `"code":"`+c+`"`)
	}

	daemon.stop()
	for _, written := range []string{greylisted, strings.ToLower(strings.ReplaceAll(greylisted, "-", ""))} {
		got := s.output("explain", written)
		if said := fields(got); !strings.HasPrefix(got, greylisted+" is 2001:db8::/64 ann@example.net bob@example.org\n\n") || said["reason"] != "way-too-soon" {
			t.Errorf("explain %s:\n%s", written, got)
		}
	}
	s.run("explain", blocked).fails(t, statusFailed, "no stored triplet has the code "+blocked, "journalctl -u greyglass --grep "+blocked)
	s.run("explain", "203.0.113.7").fails(t, statusUsage, `"203.0.113.7" is no code of a reply`, "CLIENT SENDER RECIPIENT")

	// A log of which no reply speaks has no codes.
	s.configure(nil)
	daemon = s.serve()
	reply("203.0.113.8", "ann@example.net", "bob@example.org", `(451 4\.7\.1 Greylisted, please try again in 1 hour)`)
	if line := daemon.decision("bob@example.org"); line.str("code") != "" {
		t.Errorf("logged %v", line)
	}
}
