package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// here runs a command line in this process.
func here(args ...string) result {
	var stdout, stderr strings.Builder
	status := run(context.Background(), args, nil, &stdout, &stderr)
	return result{stdout.String(), stderr.String(), status}
}

// Mistakes on the command line, and what the one line says, beside the command
// whose --help it points to.
var misuses = []struct{ args, says, help string }{
	{"", "no command given", "greyglass"},
	{"frobnicate", `there is no command "frobnicate"`, "greyglass"},
	{"lst", "did you mean list or log?", "greyglass"},
	{"explian", "did you mean explain?", "greyglass"},
	{"exp", "did you mean expect, expire or explain?", "greyglass"},
	{"help frobnicate", `there is no command "frobnicate"`, "greyglass"},
	{"help list all", `unexpected argument "all"`, "greyglass help"},
	{"tail", "did you mean log?", "greyglass"},
	{"whitelist", "did you mean pass?", "greyglass"},
	{"delete", "did you mean forget?", "greyglass"},
	{"show", "did you mean list?", "greyglass"},
	{"top", "did you mean status?", "greyglass"},
	{"uptime", "did you mean status?", "greyglass"},
	{"unblock", "did you mean pass?", "greyglass"},
	{"why", "did you mean explain?", "greyglass"},
	{"serve --daemon", "unknown flag: --daemon", "greyglass serve"},
	{"list -x", "unknown shorthand flag: 'x'", "greyglass list"},
	{"config --config", "flag needs an argument: --config", "greyglass config"},
	{"list --set", "flag needs an argument: --set", "greyglass list"},

	{"serve now", `unexpected argument "now"`, "greyglass serve"},
	{"config it", `unexpected argument "it"`, "greyglass config"},
	{"stats all", `unexpected argument "all"`, "greyglass stats"},
	{"stats --since=yesterday", `"yesterday" is none`, "greyglass stats"},
	{"stats --from 2d --to 3d", "--to 3d is not after --from", "greyglass stats"},
	{"stats --to 3d", "--to needs --from", "greyglass stats"},
	{"stats --by helo", `--by takes one of client, domain, recipient, and "helo" is none`, "greyglass stats"},
	{"stats --brief --json", "--brief is for people", "greyglass stats"},
	{"expire all", `unexpected argument "all"`, "greyglass expire"},
	{"version 1", `unexpected argument "1"`, "greyglass version"},
	{"backup", "FILE is missing", "greyglass backup"},
	{"backup a b", `unexpected argument "b"`, "greyglass backup"},
	{"explain", "CLIENT is missing", "greyglass explain"},
	{"probe 192.0.2.1", "SENDER is missing", "greyglass probe"},
	{"pass 192.0.2.1 a@example.net", "RECIPIENT is missing", "greyglass pass"},
	{"forget 192.0.2.1 a@example.net b@example.org c", `unexpected argument "c"`, "greyglass forget"},

	{"remove", "did you mean forget?", "greyglass"},
	{"ls", "did you mean list?", "greyglass"},
	{"check", "did you mean config, doctor or explain?", "greyglass"},
	{"test", "did you mean config, doctor or explain?", "greyglass"},
	{"search", "did you mean list?", "greyglass"},
	{"help whitelist", "did you mean pass?", "greyglass"},
	{"reload", "'systemctl reload greyglass' reloads the configuration", "greyglass"},
	{"stop", "'systemctl stop greyglass'", "greyglass"},
	{"blacklist", "blocked.senders_file", "greyglass"},
	{"list --from a@example.net", "unknown flag: --from; did you mean --sender?", "greyglass list"},
	{"log --to b@example.org", "unknown flag: --to; did you mean --recipient?", "greyglass log"},
	{"list --ip 192.0.2.1", "unknown flag: --ip; did you mean --client?", "greyglass list"},
	{"log --from 2d", "did you mean --sender?", "greyglass log"},
	{"list --sendr x", "did you mean --sender?", "greyglass list"},
	{"pass --force", "did you mean --yes?", "greyglass pass"},
	{"list -n 5", "unknown shorthand flag: 'n' in -n; did you mean --limit?", "greyglass list"},
	{"list --frobnicate", "unknown flag: --frobnicate", "greyglass list"},

	{"list --sender shop.example", `--sender: "shop.example" is a domain; write --domain shop.example, or --sender @shop.example`, "greyglass list"},
	{"log --recipient shop.example", `--recipient: "shop.example" is a domain; write --domain shop.example, or --recipient @shop.example`, "greyglass log"},
	{"pass --sender shop.example --yes", `--domain shop.example`, "greyglass pass"},
	{"forget --recipient shop.example", `--domain shop.example`, "greyglass forget"},
	{"list --domain @x", `--domain: "@x" is not a domain; write --domain x, which has its subdomains too`, "greyglass list"},
	{"log --domain *.x.example", `--domain: "*.x.example" is not a domain; write --domain x.example`, "greyglass log"},
	{"list --domain EMPTY", `--domain is empty; write it as example.org`, "greyglass list"},
	{"list --sender EMPTY", `--sender is empty; the null sender is written '<>'`, "greyglass list"},
	{"list --reason too-lat", `--reason "too-lat" is none; did you mean too-late?`, "greyglass list"},
	{"list --reason spam", `--reason "spam" is none; they are already-grey, grey-too-long, now-grey, too-late, too-soon, way-too-soon`, "greyglass list"},
	{"log --reason now-gray", `--reason "now-gray" is none; did you mean now-grey?`, "greyglass log"},
	{"log --reason spam", `not-seen-before, way-too-soon, too-soon, too-late, now-grey, error, rule:NAME`, "greyglass log"},
	{"expect bob@example.org --for 10", `--for 10 has no unit; write 10m for minutes, or 10s for seconds`, "greyglass expect"},
	{"explain mx.example.net a@example.net b@example.org", `CLIENT "mx.example.net" is a host name, and not an IP address; 'getent ahosts mx.example.net' shows its addresses`, "greyglass explain"},
	{"explain a@example.net b@example.org 192.0.2.1", `CLIENT "a@example.net" is not an IP address; the order is CLIENT SENDER RECIPIENT`, "greyglass explain"},
	{"log --since 2026-11-22T99", "--since takes a time such as 7d or 36h", "greyglass log"},

	{"explain nobody a b", `CLIENT "nobody" is not an IP address`, "greyglass explain"},
	{"probe 192.0.2 a b", `CLIENT "192.0.2" is not an IP address`, "greyglass probe"},
	{"pass 192.0.2.0/33 a b", `CLIENT "192.0.2.0/33" is not an address prefix`, "greyglass pass"},
	{"pass local a b", `CLIENT "local" is not an IP address`, "greyglass pass"},
	{"forget local a b", `CLIENT "local" is not an IP address`, "greyglass forget"},
	{"explain local <a> EMPTY", "RECIPIENT is empty", "greyglass explain"},
	{"probe 192.0.2.1 <a> <>", "RECIPIENT is empty", "greyglass probe"},
	{"pass 192.0.2.1 <a> EMPTY", "RECIPIENT is empty", "greyglass pass"},
	{"forget 192.0.2.1 <a> <>", "RECIPIENT is empty", "greyglass forget"},
	{"probe 192.0.2.1 <a> <b> --to 8895", `--to "8895" does not begin with a family`, "greyglass probe"},

	{"log --limit -1", "--limit is negative", "greyglass log"},
	{"log --client mx", `--client: "mx" is not an address prefix; write an address`, "greyglass log"},
	{"log --sender ann@", `--sender: "ann@" has nothing after the @`, "greyglass log"},
	{"log --recipient <>", `--recipient: "<>" is the null sender, and never a recipient`, "greyglass log"},
	{"log --since yesterday", `"yesterday" is none`, "greyglass log"},
	{"log a b", `unexpected argument "b"`, "greyglass log"},

	{"replay a b", `unexpected argument "b"`, "greyglass replay"},
	{"migrate now", `unexpected argument "now"`, "greyglass migrate"},
	{"copy", "--from is missing", "greyglass copy"},
	{"copy --from sqlite:a", "--to is missing", "greyglass copy"},
	{"copy --from sqlite:a --to mysql:b", `--to: unknown kind of database "mysql"`, "greyglass copy"},
	{"copy --from postgres://a:b@c:d/ --to sqlite:b", "--from: not a PostgreSQL URL: invalid port", "greyglass copy"},
	{"copy --from sqlite:a --to sqlite:a", "--from and --to are the same", "greyglass copy"},

	{"list --limit -1", "--limit is negative", "greyglass list"},
	{"list --limit many", `--limit takes a whole number, and "many" is none`, "greyglass list"},
	{`explain --dnsbl a"b.example 203.0.113.7 ann@example.net bob@example.org`, `write names of lists, separated by commas`, "greyglass explain"},
	{"list --json=maybe", `--json takes true or false, and "maybe" is none`, "greyglass list"},
	{"list --client mx.example.net", `--client: "mx.example.net" is not an address prefix`, "greyglass list"},
}

// The configuration that each names is not there, so usage comes first.
func TestMisuseSays(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.toml")
	for _, m := range misuses {
		t.Run(m.args, func(t *testing.T) {
			args := strings.Fields(m.args)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "EMPTY", "")
			}
			if m.says != "flag needs an argument: --config" && m.says != "flag needs an argument: --set" {
				args = append([]string{"--config", missing}, args...)
			}
			r := here(args...)
			r.fails(t, statusUsage, "greyglass: ", m.says, "; see '"+m.help+" --help'\n")
			if m.args != "" && r.stdout != "" {
				t.Errorf("standard output: %s", r.stdout)
			}
		})
	}
}

func TestNoCommandTeaches(t *testing.T) {
	if r := here(); !strings.Contains(r.stdout, "Available Commands:") {
		t.Errorf("standard output does not list the commands: %s", r.stdout)
	}
}

// Usage is checked before the configuration, the configuration before the database.
func TestOrderOfChecks(t *testing.T) {
	t.Parallel()
	broken := newSite(t, conf{"greylist.mode": `"off"`})
	sound := newSite(t, nil)
	for _, c := range []struct {
		args   string
		broken int
		sound  int // without a database
	}{
		{"list --limit -1", statusUsage, statusUsage},
		{"pass local a b", statusUsage, statusUsage},
		{"list", statusConfig, statusDatabase},
		{"stats", statusConfig, statusDatabase},
		{"explain 192.0.2.1 a@example.net b@example.org", statusConfig, statusDatabase},
		{"pass 192.0.2.1 a@example.net b@example.org", statusConfig, statusDatabase},
		{"forget 192.0.2.1 a@example.net b@example.org", statusConfig, statusDatabase},
		{"expire", statusConfig, statusDatabase},
		{"backup copy.db", statusConfig, statusDatabase},
		{"copy --from sqlite:missing.db --to sqlite:copy.db", statusConfig, statusDatabase},
		{"migrate", statusConfig, statusFailed}, // since it is no PostgreSQL database
		{"probe 192.0.2.1 a@example.net b@example.org", statusConfig, statusFailed},
	} {
		broken.run(strings.Fields(c.args)...).fails(t, c.broken)
		sound.run(strings.Fields(c.args)...).fails(t, c.sound)
	}
	broken.run("serve").fails(t, statusConfig, "greyglass.toml:", "greylist.mode")
}

func TestHelpTeaches(t *testing.T) {
	program := &program{stdout: new(strings.Builder), stderr: new(strings.Builder)}
	for _, cmd := range program.root().Commands() {
		r := here(cmd.Name(), "--help")
		if r.status != 0 || r.stderr != "" {
			t.Errorf("%s --help: status %d, %s", cmd.Name(), r.status, r.stderr)
		}
		explained, _, _ := strings.Cut(r.stdout, "Usage:")
		if len(explained) < 80 {
			t.Errorf("%s --help does not teach:\n%s", cmd.Name(), r.stdout)
		}
		for _, use := range strings.Split(strings.TrimPrefix(cmd.Use, cmd.Name()), " | ") {
			if use = strings.TrimSpace("greyglass " + cmd.Name() + " " + strings.TrimSpace(use)); !strings.Contains(r.stdout, "\n  "+use+" [flags]\n") {
				t.Errorf("%s --help does not say %s:\n%s", cmd.Name(), use, r.stdout)
			}
		}
		for _, line := range strings.Split(r.stdout, "\n") {
			if n := utf8.RuneCountInString(line); n > 80 {
				t.Errorf("%s --help has a line of %d: %s", cmd.Name(), n, line)
			}
		}
		if cmd.Name() != "help" && here("help", cmd.Name()).stdout != r.stdout {
			t.Errorf("'help %s' says something else than --help", cmd.Name())
		}
		if list := here("--help").stdout; !strings.Contains(list, cmd.Short) {
			t.Errorf("--help does not list %s", cmd.Name())
		}
	}
}
