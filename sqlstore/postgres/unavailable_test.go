package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"greyglass/e2e/lab"
	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// testPostgresUnavailable: while the server is unavailable, before the store is opened or
// later, updates soon fail with a clear error, and the store recovers by itself.
func testPostgresUnavailable(t *testing.T, c *cluster) {
	for _, test := range []struct {
		name       string
		begin, end string // statements; empty: the server is stopped and started
		says       string
		url        func(role string) string // nil: as ever
		opts       backend.Options
	}{
		{name: "stopped", says: "connection refused"},
		{name: "password", begin: "ALTER ROLE ROLE PASSWORD 'other'", end: "ALTER ROLE ROLE PASSWORD 'correct horse'",
			says: "password authentication failed"},
		{name: "no login", begin: "ALTER ROLE ROLE NOLOGIN", end: "ALTER ROLE ROLE LOGIN", says: "not permitted to log in"},
		{name: "rights", begin: "REVOKE ALL ON ALL TABLES IN SCHEMA ROLE FROM ROLE", end: "GRANT ALL ON ALL TABLES IN SCHEMA ROLE TO ROLE",
			says: "the role may not use the schema"},
		{name: "connections", begin: "ALTER ROLE ROLE CONNECTION LIMIT 0", end: "ALTER ROLE ROLE CONNECTION LIMIT -1",
			says: "too many connections"},
		{name: "read only", begin: "ALTER ROLE ROLE SET default_transaction_read_only = on", end: "ALTER ROLE ROLE RESET default_transaction_read_only",
			says: "read only"},
		{name: "schema", begin: "ALTER SCHEMA ROLE RENAME TO ROLE_away", end: "ALTER SCHEMA ROLE_away RENAME TO ROLE",
			says: "schema"},
	} {
		t.Run(test.name, func(t *testing.T) {
			role := fmt.Sprintf("role%d", c.schemas.Add(1))
			sql := func(text string) {
				c.SQL("postgres", strings.ReplaceAll(text, "ROLE ROLE", "ROLE "+role)+
					";SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+role+"'")
			}
			named := func(text string) string {
				return strings.NewReplacer("SCHEMA ROLE", "SCHEMA "+role, "TO ROLE", "TO "+role, "FROM ROLE", "FROM "+role).Replace(text)
			}
			c.SQL("postgres", "CREATE ROLE "+role+" LOGIN PASSWORD 'correct horse'; CREATE SCHEMA "+role+"; GRANT ALL ON SCHEMA "+role+" TO "+role)
			begin, end := func() { sql(named(test.begin)) }, func() { sql(named(test.end)) }
			if test.begin == "" {
				begin, end = c.Stop, c.Start
			}
			s := openShared(t, c.url(role, "search_path="+role))
			remembers(t, s, 1)
			begin()
			awayFor(t, s, test.says)
			late := openShared(t, c.url(role, "search_path="+role)) // which finds it so
			awayFor(t, late, test.says)
			if _, err := Open(t.Context(), s.server.url, backend.Options{}); err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("a command: %v, want one line with %q", err, test.says)
			}
			end()
			remembers(t, s, 2)
			remembers(t, late, 3)
			if e, err := s.Get(t.Context(), storetest.Numbered(1)); err != nil || e == nil {
				t.Errorf("what was remembered before: %v, %v", e, err)
			}
			closesSoon(t, s, late)
		})
	}
}

// remembers waits until something can be remembered.
func remembers(t *testing.T, s *Store, n int64) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		err := storetest.Update(ctx, s, storetest.Numbered(n), storetest.Remember(greylist.Entry{FirstSeen: n}))
		cancel()
		if err == nil {
			return
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("it does not recover: %v", err)
		}
	}
}

// awayFor waits until everybody is answered at once with one line that says why
// and has advice, and no password.
func awayFor(t *testing.T, s *Store, says string) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		asked := time.Now()
		err := storetest.Update(ctx, s, storetest.Numbered(99), storetest.Remember(greylist.Entry{FirstSeen: 1}))
		took := time.Since(asked)
		cancel()
		var fault *greylist.Fault
		if err == nil || !errors.As(err, &fault) {
			t.Fatalf("Update: %v, want a fault", err)
		}
		all := err.Error() + fault.Database + fault.Advice
		if strings.Contains(all, "\n") || strings.Contains(all, "horse") || fault.Advice == "" {
			t.Fatalf("%q, of %q, with the advice %q", err, fault.Database, fault.Advice)
		}
		if strings.Contains(err.Error(), says) && took < 500*time.Millisecond {
			break
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%v; want one that says %q", err, says)
		}
	}
	began := time.Now()
	var wg sync.WaitGroup
	for i := range int64(500) {
		wg.Go(func() {
			if err := storetest.Update(t.Context(), s, storetest.Numbered(i), storetest.Remember(greylist.Entry{})); err == nil {
				t.Error("something was remembered")
			}
		})
	}
	wg.Wait()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("500 callers waited for %v", took)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("Ping says that it works")
	}
}

func closesSoon(t *testing.T, stores ...*Store) {
	t.Helper()
	began := time.Now()
	for _, s := range stores {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("Close took %v", took)
	}
}

// swallower hands connections through to a server, until it swallows what comes.
type swallower struct {
	net.Listener
	mu     sync.Mutex
	closed chan struct{} // nil: it hands through
}

func swallow(t *testing.T, server string) *swallower {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	w := &swallower{Listener: l}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", server)
			if err != nil {
				_ = in.Close()
				continue
			}
			go w.pipe(in, out)
			go w.pipe(out, in)
		}
	}()
	return w
}

func (w *swallower) pipe(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		w.mu.Lock()
		hold := w.closed
		w.mu.Unlock()
		if hold != nil {
			<-hold
			return // what was swallowed is gone
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (w *swallower) set(swallow bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if swallow {
		w.closed = make(chan struct{})
	} else {
		close(w.closed)
		w.closed = nil
	}
}

// testPostgresSwallowed: a network that loses everything costs each caller the
// time that it has, once; later ones nothing.
func testPostgresSwallowed(t *testing.T, c *cluster) {
	w := swallow(t, fmt.Sprintf("127.0.0.1:%d", c.Port))
	url := strings.Replace(c.schema(t), fmt.Sprint(c.Port), fmt.Sprint(w.Addr().(*net.TCPAddr).Port), 1)
	s := openShared(t, url)
	remembers(t, s, 1)
	w.set(true)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range int64(200) {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			if err := storetest.Update(ctx, s, storetest.Numbered(i), storetest.Remember(greylist.Entry{})); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v, want %v", err, context.DeadlineExceeded)
			}
		})
	}
	wg.Wait()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("they waited for %v", took)
	}
	awayFor(t, s, "") // at once, from now on
	w.set(false)
	remembers(t, s, 2)
	closesSoon(t, s)
}

// testPostgresLocked: a lock on the table delays updates only briefly, and those that
// need no write not at all; also if callers wait less than the server does.
func testPostgresLocked(t *testing.T, c *cluster) {
	for _, timeout := range []time.Duration{20 * time.Second, lockTimeout / 2} {
		t.Run(timeout.String(), func(t *testing.T) {
			s := openShared(t, c.schema(t))
			remembers(t, s, 1)
			locker, err := s.server.connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := locker.Exec(t.Context(), `BEGIN; LOCK TABLE triplet IN EXCLUSIVE MODE`); err != nil {
				t.Fatal(err)
			}
			short, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			var fault *greylist.Fault
			if err := storetest.Update(short, s, storetest.Numbered(2), storetest.Remember(greylist.Entry{})); !errors.As(err, &fault) {
				t.Errorf("%v", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for range 20 {
				err := storetest.Update(ctx, s, storetest.Numbered(1), func(e *greylist.Entry) (greylist.Entry, bool) {
					if e == nil {
						t.Error("it is not remembered")
					}
					return greylist.Entry{}, false
				})
				if err != nil {
					t.Error(err)
				}
			}
			if err := storetest.Update(ctx, s, storetest.Numbered(3), storetest.Remember(greylist.Entry{})); err == nil || !strings.Contains(err.Error(), "lock timeout") {
				t.Errorf("%v", err)
			}
			if err := locker.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			remembers(t, s, 2)
			closesSoon(t, s)
		})
	}
}

// passOfLockedClient: a lock on the row of a client keeps a pass from counting, one on the
// row of a correspondent keeps a note from being written, and neither delays anything.
func passOfLockedClient(t *testing.T, s *Store) {
	before := greylist.ClientEntry{FirstPassed: 1, CountedAt: 1, Passed: 1, LastSeen: 1}
	bob := greylist.Correspondent{Local: "bob@example.org", Remote: "ann@example.net"}
	pass := func(n int64, w greylist.ClientWrite) {
		ctx, cancel := context.WithTimeout(t.Context(), lockTimeout)
		defer cancel()
		_, err := s.Update(ctx, []greylist.Triplet{storetest.Numbered(n)}, func([]*greylist.Entry) greylist.Decision {
			return greylist.Decision{Remember: greylist.Entry{FirstSeen: 1, PassedAt: 1}, Client: &w,
				Correspondents: &greylist.CorrespondentNotes{Now: n, Records: []greylist.CorrespondentRecord{
					{Correspondent: bob, CorrespondentEntry: greylist.CorrespondentEntry{FirstSeen: n, LastSeen: n}}}}}
		})
		if err != nil {
			t.Errorf("pass %d: %v", n, err)
		}
	}
	pass(10, greylist.ClientWrite{Client: "c", After: before})
	locker, err := s.server.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer closeSoon(locker.Conn)
	if _, err := locker.Exec(t.Context(), `BEGIN; SELECT FROM client FOR UPDATE; SELECT FROM correspondent FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	pass(11, greylist.ClientWrite{Client: "c", Before: &before, After: greylist.ClientEntry{Passed: 2}})
	if e, err := s.Client(t.Context(), "c"); err != nil || e == nil || *e != before {
		t.Errorf("of the locked client: %+v, %v", e, err)
	}
	if e, err := s.Correspondent(t.Context(), bob); err != nil || e == nil || e.LastSeen != 10 {
		t.Errorf("of the locked correspondent: %+v, %v", e, err)
	}
}

// testPostgresRowLocked: who holds a lock on a row is in the way only of those who
// are to change it. They try again, but not all the time, and are told what is in
// the way when their time is over. Close does not wait for them.
func testPostgresRowLocked(t *testing.T, c *cluster) {
	url := c.schema(t)
	s := openShared(t, url)
	remembers(t, s, 1)
	locker, err := s.server.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := locker.Exec(t.Context(), `BEGIN; SELECT FROM triplet FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	passOfLockedClient(t, s)
	// change returns once it has been tried several times.
	change := func(ctx context.Context, s *Store, calls *atomic.Int64) (answer chan error) {
		answer = make(chan error, 1)
		go func() {
			answer <- storetest.Update(ctx, s, storetest.Numbered(1), func(*greylist.Entry) (greylist.Entry, bool) {
				calls.Add(1)
				return greylist.Entry{FirstSeen: 5}, true
			})
		}()
		for began := time.Now(); calls.Load() < 3 && len(answer) == 0; time.Sleep(time.Millisecond) {
			if time.Since(began) > 30*time.Second {
				t.Fatal("it does not try again")
			}
		}
		return answer
	}
	patient := make(chan error, 1) // who has all the time there is does not wait for ever
	go func() {
		patient <- storetest.Update(t.Context(), s, storetest.Numbered(1), storetest.Remember(greylist.Entry{}))
	}()
	short, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var calls atomic.Int64
	answer := change(short, s, &calls)
	if err := storetest.Update(t.Context(), s, storetest.Numbered(2), storetest.Remember(greylist.Entry{FirstSeen: 1})); err != nil {
		t.Errorf("another: %v", err)
	}
	err = <-answer
	tellsOfLock(t, err)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want %v", err, context.DeadlineExceeded)
	}
	if n := calls.Load(); n > 300 {
		t.Errorf("it was asked %d times in two seconds", n)
	}
	tellsOfLock(t, <-patient)
	other := openShared(t, url)
	answer = change(t.Context(), other, new(atomic.Int64))
	closesSoon(t, other)
	if err := <-answer; !errors.Is(err, greylist.ErrClosed) {
		t.Errorf("when it is closed: %v", err)
	}
	answer = change(t.Context(), s, new(atomic.Int64))
	if err := locker.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Errorf("after the lock is gone: %v", err)
	}
	closesSoon(t, s)
}

// tellsOfLock wants a fault that says that a lock is in the way.
func tellsOfLock(t *testing.T, err error) {
	t.Helper()
	var fault *greylist.Fault
	if !errors.As(err, &fault) || !strings.Contains(err.Error(), "locked by another program") || !strings.Contains(fault.Advice, "pg_locks") {
		t.Errorf("%v, with the advice %+v", err, fault)
	}
}

// testPostgresHosts: of several hosts the one is found that can be written to, and
// the next when that fails over.
func testPostgresHosts(t *testing.T, c *cluster) {
	primary := lab.StartDatabase(t)
	primary.SQL("postgres", `CREATE ROLE greyglass LOGIN PASSWORD 'correct horse'; GRANT ALL ON SCHEMA public TO greyglass`)
	standby := primary.Standby()
	dead, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	url := fmt.Sprintf("postgres://greyglass:correct%%20horse@127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d/postgres?sslmode=disable&connect_timeout=1",
		dead.Addr().(*net.TCPAddr).Port, standby.Port, primary.Port)
	s := openShared(t, url)
	remembers(t, s, 1)
	began := time.Now()
	remembers(t, s, 2)
	t.Logf("with two hosts before that don't do: %v", time.Since(began))
	connectsInTime(t, strings.Replace(url, "connect_timeout=1", "connect_timeout=60", 1))
	for standby.SQL("postgres", "SELECT to_regclass('triplet')") == "" || standby.SQL("postgres", "SELECT count(*) FROM triplet") != "2" {
		time.Sleep(10 * time.Millisecond)
	}
	primary.Kill()
	standby.Promote()
	began = time.Now()
	remembers(t, s, 3)
	t.Logf("after the failover: %v", time.Since(began))
	if e, err := s.Get(t.Context(), storetest.Numbered(1)); err != nil || e == nil {
		t.Errorf("what was remembered before: %v, %v", e, err)
	}
	if one, err := Open(t.Context(), c.url("greyglass", "target_session_attrs=standby"), backend.Options{}); err == nil {
		t.Error("a primary is taken for a standby")
		_ = one.Close()
	}
	closesSoon(t, s)
}

// connectsInTime checks that a host that does not answer leaves the others time, also where
// it may take longer than a health check.
func connectsInTime(t *testing.T, url string) {
	t.Helper()
	server, err := newServer(url, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), checkTimeout)
	defer cancel()
	conn, err := server.connect(ctx)
	if err != nil {
		t.Errorf("within the time of a health check: %v", err)
		return
	}
	closeSoon(conn.Conn)
}

// testPostgresSilent: the server frees the locks of a daemon whose machine has lost its power.
func testPostgresSilent(t *testing.T, c *cluster) {
	s := openShared(t, c.schema(t))
	defer closesSoon(t, s)
	const limit = `SELECT setting FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'`
	conn, err := s.server.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer closeSoon(conn.Conn)
	var worker, pool string
	if err := errors.Join(conn.QueryRow(t.Context(), limit).Scan(&worker), s.pool.QueryRowContext(t.Context(), limit).Scan(&pool)); err != nil {
		t.Fatal(err)
	}
	if worker != "30000" || pool != "600000" {
		t.Errorf("%s ms for a worker, %s ms for the pool", worker, pool)
	}
}

// testPostgresSwitchover: a primary that stays up when another takes its place, and
// then can only be read, is left by all connections, whichever of them finds out.
func testPostgresSwitchover(t *testing.T, _ *cluster) {
	hosts := []*lab.Database{lab.StartDatabase(t), lab.StartDatabase(t)}
	for _, h := range hosts {
		h.SQL("postgres", `CREATE ROLE greyglass LOGIN PASSWORD 'correct horse'; GRANT ALL ON SCHEMA public TO greyglass`)
	}
	readOnly := func(host int, is string) {
		hosts[host].SQL("postgres", "ALTER SYSTEM SET default_transaction_read_only = "+is)
		hosts[host].SQL("postgres", "SELECT pg_reload_conf()")
	}
	s := openShared(t, fmt.Sprintf("postgres://greyglass:correct%%20horse@127.0.0.1:%d,127.0.0.1:%d/postgres?sslmode=disable",
		hosts[0].Port, hosts[1].Port))
	update := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		return storetest.Update(ctx, s, storetest.Numbered(1), func(e *greylist.Entry) (greylist.Entry, bool) {
			if e == nil {
				e = new(greylist.Entry)
			}
			return greylist.Entry{FirstSeen: e.FirstSeen + 1}, true
		})
	}
	record := func() error {
		return s.Record(t.Context(), greylist.History{Returned: []greylist.Returned{{Hour: 3600, Within: 300, Count: 1}}})
	}
	for i, test := range []struct {
		name  string
		finds func() error
	}{
		{"who updates", update},
		{"who records", record},
	} {
		t.Run(test.name, func(t *testing.T) {
			from, to := i, 1-i
			if err := errors.Join(update(), record()); err != nil { // so that there are connections to the old one
				t.Fatal(err)
			}
			readOnly(to, "off")
			readOnly(from, "on")
			for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
				found := s.server.last.Load() == int32(to)
				err := test.finds()
				if found && err == nil {
					break
				}
				if time.Since(began) > 30*time.Second {
					t.Fatalf("it stays with the old one: %v", err)
				}
			}
			remembers(t, s, 2)
			if err := record(); err != nil {
				t.Errorf("Record: %v", err)
			}
			if _, _, err := s.Expire(t.Context(), greylist.Cutoffs{}, 0); err != nil {
				t.Errorf("Expire: %v", err)
			}
			if forgot, err := s.Forget(t.Context(), storetest.Numbered(2)); err != nil || !forgot {
				t.Errorf("Forget: %v, %v, of what the new one remembers", forgot, err)
			}
		})
	}
	closesSoon(t, s)
}

// testPostgresCertificate: a server without a valid certificate, or with one for another
// name, is unavailable.
func testPostgresCertificate(t *testing.T, c *cluster) {
	_, schema, _ := strings.Cut(c.schema(t), "search_path=")
	url := fmt.Sprintf("postgres://greyglass@127.0.0.1:%d/postgres?search_path=%s&sslrootcert=%s&sslmode=", c.Port, schema, filepath.Join(c.Dir, "ca.pem"))
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(mode string) *Store {
		s, err := Open(t.Context(), url+mode, backend.Options{Create: true, PasswordFile: password})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open("verify-full")
	awayFor(t, s, "certificate")
	closesSoon(t, s)
	s = open("verify-ca") // the name is not looked at
	remembers(t, s, 1)
	closesSoon(t, s)
	if err := os.WriteFile(password, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open("require")
	awayFor(t, s, "password authentication failed")
	if err := os.WriteFile(password, []byte("correct horse\r\nand more"), 0o600); err != nil {
		t.Fatal(err)
	}
	remembers(t, s, 2)
	closesSoon(t, s)
}
