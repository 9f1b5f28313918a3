package postgres

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// openVersion opens the database as a daemon with these migrations would.
func openVersion(ctx context.Context, url string, steps ...string) (*Store, error) {
	return openStore(ctx, url, backend.Options{Create: true, Logger: discard}, steps)
}

// testPostgresMigrate: whoever comes first creates the schema, or brings it to the
// present version, with all that is in it; an older program refuses it then.
func testPostgresMigrate(t *testing.T, c *cluster) {
	url := c.schema(t)
	if _, err := Open(t.Context(), url, backend.Options{}); !errors.Is(err, greylist.ErrNoDatabase) {
		t.Errorf("a command, before there is anything: %v, want %v", err, greylist.ErrNoDatabase)
	}
	e := greylist.Entry{FirstSeen: 1, LastSeen: 2, PassedAt: 3, Deferred: 4, Accepted: 5}
	atOnce := func(steps ...string) {
		t.Helper()
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				s, err := openVersion(t.Context(), url, steps...)
				if err != nil {
					t.Error(err)
					return
				}
				if err := storetest.Update(t.Context(), s, storetest.Numbered(1), storetest.Remember(e)); err != nil {
					t.Error(err)
				}
				closesSoon(t, s)
			})
		}
		all.Wait()
	}
	atOnce(migrations...)
	const later = `ALTER TABLE triplet ADD COLUMN note text NOT NULL DEFAULT 'none'; CREATE TABLE extra (x integer)`
	if _, err := openVersion(t.Context(), url, append(migrations, later+`; CREATE TABLE triplet (y integer)`)...); err != nil {
		t.Errorf("a daemon does not start: %v", err)
	}
	if _, err := openStore(t.Context(), url, backend.Options{Logger: discard}, append(migrations, later+`; CREATE TABLE triplet (y integer)`)); err == nil ||
		!strings.Contains(err.Error(), "migrating from version 1 to 2") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v; want one line that says where it failed", err)
	}
	atOnce(append(migrations, later, `CREATE TABLE another (x integer)`)...)
	s, err := openVersion(t.Context(), url, append(migrations, later, `CREATE TABLE another (x integer)`)...)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(t.Context(), storetest.Numbered(1)); err != nil || got == nil || *got != e {
		t.Errorf("%+v, %v; want %+v", got, err, e)
	}
	closesSoon(t, s)
	for _, opts := range []backend.Options{{}, {Create: true}} {
		if _, err := Open(t.Context(), url, opts); !errors.Is(err, greylist.ErrNewer) {
			t.Errorf("%v, want %v", err, greylist.ErrNewer)
		}
	}
	if _, err := Migrate(t.Context(), url, backend.Options{}); !errors.Is(err, greylist.ErrNewer) {
		t.Errorf("%v, want %v", err, greylist.ErrNewer)
	}
}

// testPostgresForeign: what belongs to others is left as it is.
func testPostgresForeign(t *testing.T, c *cluster) {
	for _, theirs := range []string{
		"CREATE TABLE triplet (x integer)",
		"CREATE VIEW waiting AS SELECT 1",
		"CREATE TABLE greyglass (x integer)",
		"CREATE TABLE greyglass (version integer)",
	} {
		url := c.schema(t)
		_, name, _ := strings.Cut(url, "search_path=")
		c.SQL("postgres", "SET ROLE greyglass; SET search_path = "+name+";"+theirs)
		for _, opts := range []backend.Options{{}, {Create: true}} {
			if _, err := Open(t.Context(), url, opts); !errors.Is(err, greylist.ErrNotOurs) {
				t.Errorf("%s: %v, want %v", theirs, err, greylist.ErrNotOurs)
			}
		}
		if got := c.SQL("postgres", "SELECT count(*) FROM pg_class WHERE relkind <> 'i' AND relnamespace = '"+name+"'::regnamespace"); got != "1" {
			t.Errorf("%s: there are %s tables and views now", theirs, got)
		}
	}
}

// testPostgresViews: what is remembered can be read by people.
func testPostgresViews(t *testing.T, c *cluster) {
	url := c.schema(t)
	s := openShared(t, url)
	for n, e := range []greylist.Entry{
		{FirstSeen: 1700000000, LastSeen: 1700000060, Deferred: 2},
		{FirstSeen: 1700000000, LastSeen: 1700000060, PassedAt: 1700000061, Deferred: 2, Accepted: 3},
	} {
		if err := storetest.Update(t.Context(), s, storetest.Numbered(int64(n)), storetest.Remember(e)); err != nil {
			t.Fatal(err)
		}
	}
	_, name, _ := strings.Cut(url, "search_path=")
	got := c.SQL("postgres", "SELECT * FROM "+name+".waiting; SELECT * FROM "+name+".passed; SET TimeZone = 'Asia/Tokyo'; SELECT first_seen FROM "+name+".waiting")
	want := "192.0.0.0|sender0@example.com|recipient@example.org|2023-11-14 22:13:20|2023-11-14 22:14:20|2\n" +
		"192.0.0.1|sender1@example.com|recipient@example.org|2023-11-14 22:13:20|2023-11-14 22:14:21|2023-11-14 22:14:20|2|3\n" +
		"2023-11-14 22:13:20"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := s.Record(t.Context(), greylist.History{
		Answered: []greylist.Answered{{Hour: 1700000000 / 3600 * 3600, Via: "milter", Verdict: greylist.Defer, Reason: greylist.ReasonTooSoon, Count: 3}},
		Returned: []greylist.Returned{{Hour: 1700000000 / 3600 * 3600, Within: 300, Count: 2}},
	}); err != nil {
		t.Fatal(err)
	}
	got = c.SQL("postgres", "SELECT * FROM "+name+".answers; SELECT * FROM "+name+".returns")
	if want := "2023-11-14 22:00:00|milter|defer|too-soon|3\n2023-11-14 22:00:00|300|2"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if st, err := s.Stats(t.Context()); err != nil || st.Bytes < 8192 {
		t.Errorf("%+v, %v", st, err)
	}
	err := s.Backup(t.Context(), t.TempDir()+"/copy", nil)
	if !errors.Is(err, backend.ErrUnsupported) || errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "pg_dump") || strings.Contains(err.Error(), "horse") {
		t.Errorf("Backup: %v", err)
	}
	closesSoon(t, s)
}
