package postgres

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"github.com/jackc/pgx/v5"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// openVersion opens the database as a daemon with these migrations would.
func openVersion(ctx context.Context, url string, steps ...string) (*Store, error) {
	return openStore(ctx, url, backend.Options{Create: true, Logger: discard}, steps)
}

// testPostgresMigrate: the first program creates or migrates the schema, with its
// content; an older program then refuses it.
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
		!strings.Contains(err.Error(), fmt.Sprintf("migrating from version %d to %d:", len(migrations), len(migrations)+1)) || strings.Contains(err.Error(), "\n") {
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
		{FirstSeen: 1700000000, FirstAttempt: 1699999400, LastSeen: 1700000060, Deferred: 2},
		{FirstSeen: 1700000000, LastSeen: 1700000060, PassedAt: 1700000061, Deferred: 2, Accepted: 3},
	} {
		if err := storetest.Update(t.Context(), s, storetest.Numbered(int64(n)), storetest.Remember(e)); err != nil {
			t.Fatal(err)
		}
	}
	_, name, _ := strings.Cut(url, "search_path=")
	got := c.SQL("postgres", "SELECT * FROM "+name+".waiting; SELECT * FROM "+name+".passed; SET TimeZone = 'Asia/Tokyo'; SELECT first_seen FROM "+name+".waiting")
	want := "192.0.0.0|sender0@example.com|recipient@example.org|2023-11-14 22:13:20|2023-11-14 22:14:20|2|2023-11-14 22:03:20\n" +
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
	if _, err := s.Update(t.Context(), nil, func([]*greylist.Entry) greylist.Decision {
		return greylist.Decision{Keep: true, Client: &greylist.ClientWrite{Client: "192.0.2.1",
			After: greylist.ClientEntry{FirstPassed: 1700000000, CountedAt: 1700003600, Passed: 2, LastSeen: 1700003661}},
			Correspondents: &greylist.CorrespondentNotes{Now: 1700000060, Records: []greylist.CorrespondentRecord{{
				Correspondent:      greylist.Correspondent{Local: "bob@example.org", Remote: "ann@example.net"},
				CorrespondentEntry: greylist.CorrespondentEntry{FirstSeen: 1700000000, LastSeen: 1700000060}}}}}
	}); err != nil {
		t.Fatal(err)
	}
	got = c.SQL("postgres", "SET TimeZone = 'Asia/Tokyo'; SELECT * FROM "+name+".clients; SELECT * FROM "+name+".correspondents")
	if want := "192.0.2.1|2|2023-11-14 22:13:20|2023-11-14 23:13:20|2023-11-14 23:14:21\n" +
		"bob@example.org|ann@example.net|2023-11-14 22:13:20|2023-11-14 22:14:20"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := s.Expect(t.Context(), greylist.Expectation{Recipient: "bob@example.org", Sender: "*", Since: 1700000000, Until: 1700001800, Once: true}); err != nil {
		t.Fatal(err)
	}
	got = c.SQL("postgres", "SET TimeZone = 'Asia/Tokyo'; SELECT * FROM "+name+".expectations")
	if want := "bob@example.org|*|2023-11-14 22:13:20|2023-11-14 22:43:20|t|"; got != want {
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

// testPostgresUpgrade: a database of each earlier version keeps what is in it, and does then
// what the present version can: to add a batch of a history once.
func testPostgresUpgrade(t *testing.T, c *cluster) {
	for version := range migrations {
		if version == 0 {
			continue
		}
		url := c.schema(t)
		_, name, _ := strings.Cut(url, "search_path=")
		c.SQL("postgres", "SET ROLE greyglass; SET search_path = "+name+";"+strings.Join(migrations[:version], ";")+
			fmt.Sprintf("; UPDATE greyglass SET version = %d; INSERT INTO returned VALUES (3600, 300, 2);", version)+
			`INSERT INTO triplet (key, client, sender, recipient, first_seen, last_seen, passed_at, deferred, accepted)
				VALUES ('\x`+hex.EncodeToString(keyOf(storetest.Numbered(1)))+`', 'c', 's', 'r', 1, 2, 3, 4, 5)`)
		s := openShared(t, url)
		want := greylist.Entry{FirstSeen: 1, LastSeen: 2, PassedAt: 3, Deferred: 4, Accepted: 5}
		if got, err := s.Get(t.Context(), storetest.Numbered(1)); err != nil || got == nil || *got != want {
			t.Errorf("of version %d: %+v, %v; want %+v", version, got, err, want)
		}
		client := greylist.ClientEntry{FirstPassed: 1, CountedAt: 2, Passed: 3, LastSeen: 4}
		_, err := s.Update(t.Context(), []greylist.Triplet{storetest.Numbered(1)}, func(there []*greylist.Entry) greylist.Decision {
			return greylist.Decision{Remember: *there[0], Client: &greylist.ClientWrite{Client: "c", After: client}}
		})
		if got, failed := s.Client(t.Context(), "c"); errors.Join(err, failed) != nil || got == nil || *got != client {
			t.Errorf("of version %d: a client %+v, %v", version, got, errors.Join(err, failed))
		}
		for _, batch := range []int64{1, 1, 2, 1} { // the outcome of the first was not known
			h := greylist.History{Batch: greylist.Batch{Daemon: "one", Number: batch},
				Returned: []greylist.Returned{{Hour: 3600, Within: 300, Count: 10}}}
			if err := s.Record(t.Context(), h); err != nil {
				t.Error(err)
			}
		}
		if h, err := s.History(t.Context(), 0); err != nil || len(h.Returned) != 1 || h.Returned[0].Count != 22 {
			t.Errorf("of version %d: %+v, %v; want a count of 22", version, h, err)
		}
		closesSoon(t, s)
	}
}

// testPostgresMigrateYields: a migration that waits for another session, such as pg_dump,
// does not keep the daemons' statements waiting for longer than they may.
func testPostgresMigrateYields(t *testing.T, c *cluster) {
	url := c.schema(t)
	_, name, _ := strings.Cut(url, "search_path=")
	c.SQL("postgres", "SET ROLE greyglass; SET search_path = "+name+";"+strings.Join(migrations[:3], ";")+"; UPDATE greyglass SET version = 3")
	server, err := newServer(url, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dump, err := server.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer closeSoon(dump.Conn)
	daemon, err := server.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer closeSoon(daemon.Conn)
	tx, err := dump.Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), `LOCK TABLE triplet IN ACCESS SHARE MODE`)
	}
	if err != nil {
		t.Fatal(err)
	}
	migrated := make(chan error, 1)
	go func() {
		version, err := Migrate(t.Context(), url, backend.Options{})
		if err == nil && version != len(migrations) {
			err = fmt.Errorf("version %d", version)
		}
		migrated <- err
	}()
	waited := func() (n int) {
		if err := dump.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'triplet'::regclass`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for begun, seen := time.Now(), 0; seen < 2 && time.Since(begun) < time.Minute; {
		if waited() > 0 {
			seen++
			if _, err := daemon.Exec(t.Context(), `SET lock_timeout = '20s'; SELECT FROM triplet`, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatalf("a look-up: %v", err)
			}
		}
	}
	select {
	case err := <-migrated:
		t.Fatalf("the migration has not waited: %v", err)
	default:
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-migrated; err != nil {
		t.Error(err)
	}
}

func keyOf(t greylist.Triplet) []byte {
	k := backend.KeyOf(t)
	return k[:]
}

// testPostgresWaits: a command that waits for a lock says which session holds it.
func testPostgresWaits(t *testing.T, c *cluster) {
	url := c.schema(t)
	s := openShared(t, url)
	locker, err := s.server.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, lock string
		command    func(opts backend.Options) error
	}{
		{"migrate", fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, int64(migrationLock)), func(opts backend.Options) error {
			_, err := Migrate(t.Context(), c.schema(t), opts)
			return err
		}},
		{"list", `LOCK TABLE triplet IN ACCESS EXCLUSIVE MODE`, func(opts backend.Options) error {
			s, err := Open(t.Context(), url, opts)
			if err != nil {
				return err
			}
			for _, err := range s.List(t.Context(), greylist.Filter{}) {
				if err != nil {
					return err
				}
			}
			return s.Close()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tx, err := locker.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(t.Context(), test.lock); err != nil {
				t.Fatal(err)
			}
			told := make(chan string, 10)
			done := make(chan error, 1)
			go func() { done <- test.command(backend.Options{Waiting: func(sessions string) { told <- sessions }}) }()
			select {
			case who := <-told:
				if want := fmt.Sprintf("session %d (user greyglass, program greyglass)", locker.PgConn().PID()); who != want {
					t.Errorf("it waits for %q, want %q", who, want)
				}
			case err := <-done:
				t.Errorf("it does not wait: %v", err)
			case <-time.After(time.Minute):
				t.Error("it does not say for whom it waits")
			}
			if err := tx.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	_ = locker.Close(t.Context())
	closesSoon(t, s)

	command, err := newServer(url, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	stop := command.watchLocks(func(string) {})
	for began := time.Now(); len(command.waiters.all()) == 0 && time.Since(began) < 30*time.Second; {
		time.Sleep(tellAfter / 10)
	}
	time.Sleep(5 * tellAfter / 2)
	stop()
	if n := len(command.waiters.all()); n != 1 {
		t.Errorf("looking for locks three times took %d sessions, want 1", n)
	}
}

// testPostgresClocks: a machine whose clock is far ahead of the server's is known to be so, and
// expires nothing.
func testPostgresClocks(t *testing.T, c *cluster) {
	const far = 81 * 24 * time.Hour
	var log bytes.Buffer
	s, err := Open(t.Context(), c.schema(t), backend.Options{Create: true, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Now: func() time.Time { return time.Now().Add(far) }})
	if err != nil {
		t.Fatal(err)
	}
	remembers(t, s, 1)
	if ahead, known := s.ClockAhead(); !known || (ahead-far).Abs() > 10*time.Second {
		t.Errorf("it is %v ahead, %v; want %v", ahead, known, far)
	}
	cutoffs := greylist.Cutoffs{WaitingBefore: time.Now().Unix(), PassedBefore: time.Now().Unix()}
	if _, _, err := s.Expire(t.Context(), cutoffs, 0); !errors.Is(err, greylist.ErrClockSkew) {
		t.Errorf("Expire: %v, want %v", err, greylist.ErrClockSkew)
	}
	if _, err := s.ExpireHistory(t.Context(), time.Now().Unix()); !errors.Is(err, greylist.ErrClockSkew) {
		t.Errorf("ExpireHistory: %v, want %v", err, greylist.ErrClockSkew)
	}
	if e, err := s.Get(t.Context(), storetest.Numbered(1)); e == nil || err != nil {
		t.Errorf("%v, %v", e, err)
	}
	closesSoon(t, s)
	if n := strings.Count(log.String(), "clock and the database server's differ"); n != 1 {
		t.Errorf("said %d times:\n%s", n, log.String())
	}
}
