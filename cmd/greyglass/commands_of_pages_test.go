package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
)

// elsewhere lists the commands of pages that cannot run in a folder of a test: what they
// need, and the tests that run them, or what they do, on a machine that has it.
var elsewhere = []struct{ command, needs, tests string }{ // command is a regular expression
	{`make (deb|run|test|race|fuzz|chaos|bench|bench-peers|senders)( .*)?|go (test|generate) .*`, "the sources; run by those who work on them", "TestReadme TestManual"},
	{`apt-get install .*|apt-get (remove|purge) greyglass`, "root, Debian", "TestReadme TestLife"},
	{`postconf -e .*|postconf mynetworks|postfix reload`, "Postfix", "TestReadme TestPostfixPage TestFixes"},
	{`exim4 -bh .*`, "Exim", "TestEximPage"},
	{`systemctl (reload|start|stop|edit) greyglass.*`, "systemd", "TestHowTo TestUnits TestLife"},
	{`systemctl (reload exim4|restart sendmail)|make -C /etc/mail`, "the mail server's own", ""},
	{`adduser (Debian-exim|smmta) greyglass|chown greyglass`, "root", "TestFixes"},
	{`rm -f /var/lib/greyglass/.*|install -o greyglass .*`, "root, a stopped daemon", "TestHowTo"},
	{`psql .*|pg_dump --format=custom greyglass|greyglass (migrate( --set store.url=postgres:.*)?|copy .* --to postgres:.*)`, "PostgreSQL", "TestRoles TestCopy"},
	{`greyglass import (--dry-run )?postgrey .*|systemctl stop postgrey`, "postgrey's files", "TestPostgrey"},
	{`fuser FILE|kill -9`, "a fault", "TestFaultLocked TestFaultKilled"},
}

// statuses are those of commands that do not end with 0 in a folder of a test.
var statuses = map[string]int{
	"greyglass doctor": 1, // there is no mail server
	"greyglass doctor --postfix-config /etc/postfix-in": 1,
}

// TestCommandsOfPages runs every command of every page, or finds it in the table above. A
// command is a line of a block that is marked "sh", an example of the manual, or a word of
// the text in back quotes that begins with the name of a program. One that only names a
// command of greyglass is looked up among them.
func TestCommandsOfPages(t *testing.T) {
	t.Parallel()
	pages := commandsOfPages(t)
	used := make([]bool, len(elsewhere))
	ran := 0
	for page, commands := range pages {
		var here []string
		for _, command := range commands {
			at := slices.IndexFunc(elsewhere, func(e struct{ command, needs, tests string }) bool {
				return regexp.MustCompile("^(?:" + e.command + ")$").MatchString(command)
			})
			if at >= 0 {
				used[at] = true
			} else {
				here = append(here, command)
			}
		}
		ran += len(here)
		if len(here) > 0 {
			t.Run(filepath.Base(filepath.Dir(page))+"/"+filepath.Base(page), func(t *testing.T) {
				t.Parallel()
				desk := newDesk(t)
				for _, command := range here {
					desk.runs(command)
				}
			})
		}
	}
	if ran < 80 {
		t.Errorf("only %d commands run", ran)
	}
	for i, e := range elsewhere {
		if !used[i] {
			t.Errorf("no page has a command %s", e.command)
		}
		for test := range strings.FieldsSeq(e.tests) {
			if exec.Command("grep", "-rqF", "--include=*_test.go", "func "+test+"(", "../..").Run() != nil {
				t.Errorf("there is no %s, of %s", test, e.command)
			}
		}
	}
}

var (
	fence  = regexp.MustCompile("(?ms)^ *```(\\w*)\n(.*?)^ *```$")
	inText = regexp.MustCompile("`([^`\n]+(?:\n[^`\n]+)?)`")
	// programs begin a command in the text.
	programs = regexp.MustCompile(`^(?:greyglass|bin/greyglass|systemctl|journalctl|postconf|postfix|apt-get|make|go|adduser|chown|sqlite3|psql|pg_dump|fuser|exim4|kill|cat) `)
)

// commandsOfPages returns the commands of each page, in their order.
func commandsOfPages(t *testing.T) map[string][]string {
	t.Helper()
	pages := make(map[string][]string)
	for _, page := range markdown(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range fence.FindAllStringSubmatch(string(text), -1) {
			lines := commandLines(block[2])
			switch {
			case block[1] == "sh":
				pages[page] = append(pages[page], lines...)
			case block[1] == "" && len(lines) > 0 && programs.MatchString(lines[0]):
				t.Errorf("%s: a block of commands is not marked as sh: %s", page, lines[0])
			}
		}
		for _, span := range inText.FindAllStringSubmatch(fence.ReplaceAllString(string(text), ""), -1) {
			if command := strings.ReplaceAll(span[1], "\n", " "); programs.MatchString(command) && !names(t, page, command) {
				pages[page] = append(pages[page], command)
			}
		}
	}
	root := new(program).root()
	for _, c := range append(root.Commands(), root) {
		for _, line := range commandLines(c.Example) {
			if line, _, _ = strings.Cut(line, "  "); strings.HasPrefix(line, "greyglass ") || c != root { // root's has words beside them
				pages["help"] = append(pages["help"], line)
			}
		}
	}
	return pages
}

// markdown returns the pages, and what pages of the manual are made of.
func markdown(t *testing.T) []string {
	t.Helper()
	pages := []string{"../../README.md"}
	for _, pattern := range []string{"../../contrib/*.md", "../../contrib/*/*.md", "internal/*/*.md", "../../e2e/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		pages = append(pages, found...)
	}
	return pages
}

// commandLines returns the commands of a block; a line that ends in \ or | goes on.
func commandLines(block string) (commands []string) {
	for line := range strings.Lines(regexp.MustCompile(`(\\|\|)\n\s*`).ReplaceAllStringFunc(block, func(s string) string {
		return strings.TrimRight(strings.TrimSuffix(strings.TrimSpace(s), `\`)+" ", "")
	})) {
		line, _, _ = strings.Cut(line, "  #")
		if line = strings.TrimSpace(line); line != "" {
			commands = append(commands, line)
		}
	}
	return commands
}

// names reports whether a command of the text only names one of greyglass's and its flags,
// which must be there.
func names(t *testing.T, page, command string) bool {
	t.Helper()
	words := strings.Fields(command)[1:]
	if words[0] == "--help" {
		return true
	}
	if !strings.HasPrefix(command, "greyglass ") {
		return false
	}
	c, rest, err := new(program).root().Find(words)
	if err != nil {
		t.Errorf("%s: %s: %v", page, command, err)
	}
	for _, word := range rest {
		flag, isFlag := strings.CutPrefix(word, "--")
		if !isFlag {
			return false
		}
		if c.Flags().Lookup(flag) == nil {
			t.Errorf("%s: %s: no such flag %s", page, command, word)
		}
	}
	return true
}

// desk is a site where an administrator types what pages say.
type desk struct {
	*site
	code string // of a triplet that waits
	db   *sql.DB
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	s := newSite(t, conf{"learn.outbound": "true", "learn.local_domains": `["example.org"]`, "log.format": ""})
	now := time.Now().Unix()
	waits := greylist.Triplet{Client: "203.0.113.7", Sender: "ann@example.net", Recipient: "bob@example.org"}
	for _, sender := range []string{"ann@example.net", "ann@shop.example"} {
		s.remember(waits.Client, sender, waits.Recipient, greylist.Entry{FirstSeen: now, LastSeen: now, Deferred: 1})
		s.rememberCorrespondent(waits.Recipient, sender, now, now)
	}
	s.rememberClient(waits.Client, greylist.ClientEntry{FirstPassed: now, CountedAt: now, Passed: 1, LastSeen: now})
	s.withStore(func(store greylist.Store) error {
		return errors.Join(store.Expect(t.Context(), greylist.Expectation{Recipient: waits.Recipient, Sender: "*", Since: now, Until: now + 600}),
			store.Record(t.Context(), greylist.History{Answered: []greylist.Answered{{Hour: greylist.HourOf(now), Via: "milter", Verdict: greylist.Defer, Reason: greylist.ReasonNotSeenBefore, Count: 2}}}))
	})
	s.write("before.db", s.read("greyglass.db"))

	stamp := time.Unix(now, 0).UTC().Format(time.RFC3339)
	decision := "time=" + stamp + " level=INFO msg=decision verdict=defer reason=not-seen-before client=203.0.113.7 helo=mx.example.net" +
		" sender=%s recipient=bob@example.org wait=3600 via=milter took=0.0002\n"
	journal := fmt.Sprintf(decision+decision, "ann@example.net", "ann@shop.example")
	mail := delivered(stamp, "4B00000001", "mx.shop.example[203.0.113.7]", "ann@shop.example", "bob@example.org")
	for name, text := range map[string]string{
		"journal": journal, "mail.log.2.gz": gzipped(journal), "mail.log": mail, "mainlog": mail,
		"new.toml": s.read("greyglass.toml"), "greylist.conf": "acl whitelist addr 192.0.2.0/24\n", "whitelist_clients": "mx.example.net\n",
		"attempts.jsonl": `{"time":1000,"client_address":"203.0.113.7","sender":"ann@example.net","recipient":"bob@example.org"}` + "\n",
	} {
		s.write(name, text)
	}
	// The program itself, with the site's configuration, and stand-ins for what other
	// programs print.
	for name, script := range map[string]string{
		"greyglass":  `exec '` + binary + `' --config '` + s.file + `' "$@"`,
		"journalctl": `case "$*" in *"--output cat"*|*"-o cat"*) cat journal;; *) cat mail.log;; esac`,
		"pg_dump":    fmt.Sprintf(`echo "INSERT INTO connect VALUES('ann','example.net','203.0.113.7','bob@example.org',%d);"`, now),
		"spamdb":     fmt.Sprintf(`echo "GREY|203.0.113.7|mx.example.net|<ann@example.net>|<bob@example.org>|%d|%d|%d|1|0"`, now, now+1500, now+9000),
		"systemctl":  `true`,
	} {
		s.write(name, "#!/bin/sh\n"+script+"\n")
		if err := os.Chmod(s.path(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.serve()
	db, err := sql.Open("sqlite", "file:"+s.db+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`ATTACH ? AS before`, "file:"+s.path("before.db")); err != nil {
		t.Fatal(err)
	}
	return &desk{s, waits.Code(), db}
}

// places are where the files of a machine are, which stand in the folder of the site here.
var places = regexp.MustCompile(`(?:/etc/(?:greyglass|postgrey|milter-greylist)|/var/(?:lib/greyglass|log/exim4|log)|/srv/lists)/`)

// plain is a command that needs no shell, no path and no other program.
var plain = regexp.MustCompile(`^greyglass (?:config|explain|forget|list|pass|probe|stats|expect|doctor)(?: [\w@.:,=/<>-]+)*$`)

// runs runs a command as it is written, in a shell if it needs one. What earlier commands
// have changed is as it was before.
func (d *desk) runs(command string) {
	d.t.Helper()
	for _, table := range []string{"triplet", "client", "correspondent", "expected"} {
		if _, err := d.db.Exec(`DELETE FROM main.` + table + `; INSERT INTO main.` + table + ` SELECT * FROM before.` + table); err != nil {
			d.t.Fatal(err)
		}
	}
	line := strings.NewReplacer("ABCD-EFGH", d.code, "inet:127.0.0.1:8895", d.socket, "/var/backups/", d.path("backup-"),
		"bin/greyglass", "greyglass", "--config var/greyglass.toml ", "").Replace(places.ReplaceAllString(command, d.dir+"/"))
	if many := regexp.MustCompile(`^greyglass (pass|forget) --(domain|sender|recipient)`); many.MatchString(line) {
		line += " --yes" // there is no terminal to say yes at
	}
	var r result
	if plain.MatchString(line) {
		r = here(append(strings.Fields(line)[1:], "--config", d.file)...)
	} else {
		ctx, cancel := context.WithTimeout(d.t.Context(), testTimeout)
		defer cancel()
		cmd := exec.CommandContext(ctx, "sh", "-ec", line)
		cmd.Dir = d.dir
		cmd.Env = append(d.environ, "PATH="+d.dir+":"+os.Getenv("PATH"))
		r = finish(d.t, cmd)
	}
	if r.status != statuses[command] || strings.TrimSpace(r.stdout) == "" && !strings.Contains(command, ">") {
		d.t.Errorf("%s: status %d\n%s%s", command, r.status, r.stdout, r.stderr)
	}
}
