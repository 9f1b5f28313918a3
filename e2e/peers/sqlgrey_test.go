package peers

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dustin/go-humanize"

	"greyglass/e2e/lab"
)

// TestSqlgrey: a real sqlgrey is driven, terminated and imported, from its SQLite file and
// from a dump of it. Then it is started again, and both are asked about each triplet.
func TestSqlgrey(t *testing.T) {
	lab.Require(t)
	// sqlgrey defers for a second here: it can't be told the time.
	const windows = "too_soon = 0\nmin_defer_time = 1\nmax_defer_time = \"1d\"\nmax_grey = \"60d\"\n"
	for _, c := range []struct {
		method, greylist string
		many             int
	}{
		{"full", windows, 1600},
		{"classc", windows + "client_prefix_ipv4 = 24\n", 400},
	} {
		t.Run(c.method, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, c.greylist, "[learn]\nproven_after = 1\n")
			s.start().stop() // which creates the database
			home := peerHome(t)
			p := startSqlgrey(t, home, c.method)
			for i := range c.many {
				if i%10 != 0 { // which is never seen
					p.accepts(waitingTriplet(i))
				}
			}
			time.Sleep(2 * time.Second) // sqlgrey's delay
			for i := 1; i < c.many; i += 10 {
				if !p.accepts(waitingTriplet(i)) { // from now on to any recipient
					t.Errorf("sqlgrey does not accept %v", waitingTriplet(i))
				}
			}
			p.stop()

			file := filepath.Join(home, "sqlgrey.db")
			want := fmt.Sprintf("read: %s triplets, %s entries of clients alone\ntaken over: %[1]s triplets, %[2]s clients\n",
				humanize.Comma(int64(c.many*8/10)), humanize.Comma(int64(c.many/10)))
			if dry := s.run("import", "--dry-run", "sqlgrey", file); !strings.HasPrefix(dry, strings.Replace(want, "taken", "would be taken", 1)) {
				t.Errorf("the dry run:\n%s", dry)
			}
			dump := filepath.Join(home, "dump.sql")
			out, err := lab.Command(lab.SQLite, file, ".dump").Output()
			if err = errors.Join(err, os.WriteFile(dump, out, 0o600)); err != nil || !bytes.Contains(out, []byte("INSERT INTO")) {
				t.Fatal(err)
			}
			if dumped := s.run("import", "--dry-run", "sqlgrey", dump); !strings.HasPrefix(dumped, strings.Replace(want, "taken", "would be taken", 1)) {
				t.Errorf("of the dump:\n%s", dumped)
			}
			if summary := s.run("import", "sqlgrey", file); !strings.HasPrefix(summary, want) {
				t.Errorf("the import:\n%s", summary)
			}
			if again := s.run("import", "sqlgrey", dump); !strings.Contains(again, "taken over: 0 triplets, 0 clients\n") {
				t.Errorf("the second import:\n%s", again)
			}

			time.Sleep(2 * time.Second) // sqlgrey's delay, after the last attempt
			p, g := startSqlgrey(t, home, c.method), s.start()
			accepted, wrong := 0, 0
			for i := range c.many {
				asked := waitingTriplet(i)
				if i%10 == 1 {
					asked.recipient = fmt.Sprintf("carol.%d@example.org", i)
				}
				here, there := g.accepts(asked), p.accepts(asked)
				if there {
					accepted++
				}
				if here != there {
					if wrong++; wrong <= 10 {
						t.Errorf("triplet %d %v: accepted by sqlgrey: %t, after the import: %t", i, asked, there, here)
					}
				}
			}
			if accepted != c.many*9/10 {
				t.Errorf("sqlgrey accepted only %d", accepted)
			}
			t.Logf("checked %d triplets, of which sqlgrey accepts %d; %d wrong", c.many, accepted, wrong)
		})
	}
}

// waitingTriplet is the i-th triplet. None has the network or domain of another, so that
// sqlgrey accepts none for another's sake.
func waitingTriplet(i int) triplet {
	client := fmt.Sprintf("10.%d.%d.7", i/250, i%250)
	if i%4 == 3 {
		client = fmt.Sprintf("2001:db8:%x::%x", i, i)
	}
	sender := fmt.Sprintf("Ann.%d+tag@example%d.net", i, i)
	if i%8 == 6 {
		sender = fmt.Sprintf("it's\\%d@example%d.net", i, i)
	}
	return triplet{client, sender, fmt.Sprintf("Bob.%d@Example.org", i)}
}

// startSqlgrey starts sqlgrey on a folder, without a delay: it accepts from the next
// second on.
func startSqlgrey(t *testing.T, home, method string) *daemon {
	t.Helper()
	socket, config := filepath.Join(home, "sock"), filepath.Join(home, "sqlgrey.conf")
	text := strings.Join([]string{"conf_dir = " + lab.File(lab.Sqlgrey, "etc/sqlgrey"), "user = root", "group = root", "unix = " + socket,
		"pidfile = " + filepath.Join(home, "pid"), "reconnect_delay = 0", "db_type = SQLite", "db_name = " + filepath.Join(home, "sqlgrey.db"),
		"greymethod = " + method, "discrimination = off"}, "\n") + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, socket, lab.Script(lab.Sqlgrey, "usr/sbin/sqlgrey", "-f", config))
}
