package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// greylistDB is a dump of milter-greylist with n triplets, of which every second has passed.
func greylistDB(from, n int) string {
	var b strings.Builder
	for i := from; i < from+n; i++ {
		state := ""
		if i%2 == 0 {
			state = " AUTO"
		}
		fmt.Fprintf(&b, "203.0.113.7\t<ann%d@example.net>\t<bob@example.org>\t%d%s\n", i, time.Now().Unix()+1000, state)
	}
	return b.String()
}

func TestImportCommand(t *testing.T) {
	s := newSite(t, nil)
	s.write("greylist.db", greylistDB(0, 10))
	if got, want := s.output("import", "--dry-run", "milter-greylist", "greylist.db"), "read: 10 triplets, 0 entries of clients alone\nwould be taken over: 10 triplets, 0 clients\nknown already: 0 triplets, 0 clients\n"; got != want {
		t.Errorf("without a database: %s", got)
	}
	s.write("blocked.list", "not an address\n") // stops no command that asks no rules, and is told once
	if r := s.run("import", "--dry-run", "milter-greylist", "greylist.db"); r.status != 0 || strings.Count(r.stderr, "blocked.list:1: ") != 1 {
		t.Errorf("with a broken list: status %d\n%s", r.status, r.stderr)
	}
	s.write("blocked.list", "")
	s.run("import", "milter-greylist", "greylist.db").fails(t, 75, "no database")
	s.create()
	if got, want := s.output("import", "milter-greylist", "greylist.db"), "read: 10 triplets, 0 entries of clients alone\ntaken over: 10 triplets, 0 clients\nknown already: 0 triplets, 0 clients\n"; got != want {
		t.Errorf("%s", got)
	}
	// What the daemon has learned since is newer, and stays.
	s.output("pass", "203.0.113.7", "ann1@example.net", "bob@example.org")
	before := s.output("list", "--json")
	if got := s.output("import", "milter-greylist", "greylist.db"); !strings.Contains(got, "taken over: 0 triplets, 0 clients\nknown already: 10 triplets, 0 clients\n") {
		t.Errorf("the second time: %s", got)
	}
	if after := s.output("list", "--json"); after != before {
		t.Errorf("the second import changed\n%s\nto\n%s", before, after)
	}
	for _, c := range []struct {
		status int
		args   []string
		says   string
	}{
		{64, []string{"postfix", "x"}, `KIND "postfix" is none of postgrey, sqlgrey, milter-greylist, spamd, rspamd`},
		{64, []string{"spamd"}, "SOURCE is missing"},
		{64, []string{"spamd", "x", "--keep", "long"}, `--keep long: not a duration; write a time such as "90s"`},
		{64, []string{"postgrey", "x", "--ipv4cidr", "33"}, "--ipv4cidr is 1 to 32"},
		{1, []string{"rspamd", "x"}, "rspamd keeps hashes of its triplets"},
		{1, []string{"spamd", "nowhere"}, "nowhere: no such file"},
		{1, []string{"spamd", "greylist.db"}, "greylist.db: nothing that spamd writes; the first line that cannot be read is greylist.db:1"},
	} {
		s.run(append([]string{"import"}, c.args...)...).fails(t, c.status, c.says)
	}
}

// TestImportWithoutDumpProgram: the message names the package that is missing.
func TestImportWithoutDumpProgram(t *testing.T) {
	s := newSite(t, nil)
	s.create()
	s.write("postgrey.db", strings.Repeat("\x00", 4096))
	s.environ = append(s.environ, "PATH="+s.dir)
	s.run("import", "postgrey", "postgrey.db").fails(t, 1, "install Debian's package db-util")
}

// hasTriplets reports whether some hundred triplets are stored.
func (s *site) hasTriplets() bool { return strings.Count(s.output("list", "--json"), "\n") > 500 }

// TestImportInterrupted: after SIGINT in the middle and a second run everything is there,
// and nothing twice.
func TestImportInterrupted(t *testing.T) {
	const n = 5000
	s := newSite(t, nil)
	s.create()
	s.write("greylist.db", greylistDB(0, n))
	r := s.interrupted(greylistDB(0, n/2), s.hasTriplets, "import", "milter-greylist", "-")
	if r.status != statusFailed || !strings.Contains(r.stderr, "interrupted; run it again to go on") {
		t.Errorf("%+v", r)
	}
	s.output("import", "milter-greylist", "greylist.db")
	if got := s.output("stats", "--json"); !strings.Contains(got, fmt.Sprintf(`"waiting":%d,"passed":%[1]d`, n/2)) {
		t.Errorf("after the second run: %s", got)
	}
}
