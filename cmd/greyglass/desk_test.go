package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
)

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
