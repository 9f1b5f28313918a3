package postgres

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"greyglass/e2e/lab"
	"greyglass/greylist"
	"greyglass/sqlstore/storetest"
)

// load asks a store about new and about known triplets, until it is stopped.
type load struct {
	store           *Store
	timeout         time.Duration // of one request
	fresh           atomic.Int64  // numbers the new triplets
	known           []int64       // triplets that need no write
	failed, refused atomic.Int64  // requests for new triplets, for known ones
	stop            chan struct{}
	all             sync.WaitGroup
}

func startLoad(t *testing.T, s *Store, timeout time.Duration) *load {
	t.Helper()
	l := &load{store: s, timeout: timeout, stop: make(chan struct{})}
	l.fresh.Store(1000)
	for n := range int64(16) {
		remembers(t, s, n)
		l.known = append(l.known, n)
	}
	for range 8 {
		l.all.Go(func() {
			for l.more() {
				if err := l.ask(l.fresh.Add(1), true); err != nil {
					l.failed.Add(1)
				}
			}
		})
		l.all.Go(func() {
			for i := 0; l.more(); i++ {
				if err := l.ask(l.known[i%len(l.known)], false); err != nil {
					l.refused.Add(1)
					t.Logf("a known triplet: %v", err)
				}
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

func (l *load) more() bool {
	select {
	case <-l.stop:
		return false
	case <-time.After(2 * time.Millisecond):
		return true
	}
}

func (l *load) ask(n int64, write bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), l.timeout)
	defer cancel()
	return storetest.Update(ctx, l.store, storetest.Numbered(n), func(e *greylist.Entry) (greylist.Entry, bool) {
		return greylist.Entry{FirstSeen: n}, write
	})
}

func (l *load) end() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.all.Wait()
}

// outage watches a store for a while in which nothing can be written: Ping must say
// so from the first failure on, and who needs no write must be answered.
func (l *load) outage(t *testing.T, d time.Duration, says string) {
	t.Helper()
	for began := time.Now(); l.failed.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatal("no write fails")
		}
	}
	recoveries := 0
	for began := time.Now(); time.Since(began) < d; time.Sleep(20 * time.Millisecond) {
		if err := ping(t, l.store); err == nil {
			recoveries++
		} else if !strings.Contains(err.Error(), says) {
			t.Errorf("Ping: %v, want %q", err, says)
		}
	}
	if recoveries > 0 {
		t.Errorf("Ping said %d times that all is well", recoveries)
	}
	if n := l.refused.Load(); n > 0 {
		t.Errorf("%d known triplets were not answered", n)
	}
}

// recovered waits until writes succeed and Ping says so.
func (l *load) recovered(t *testing.T) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := errors.Join(l.ask(l.fresh.Add(1), true), ping(t, l.store))
		if err == nil {
			return
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("it does not recover: %v", err)
		}
	}
}

func ping(t *testing.T, s *Store) error {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	return s.Ping(ctx)
}

// connections is how many there have been, of those that have ended.
func connections(t *testing.T, db *lab.Database) int {
	t.Helper()
	n, err := strconv.Atoi(db.SQL("postgres", `SELECT sessions FROM pg_stat_database WHERE datname = 'postgres'`))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// testPostgresWritesFail: while writes fail by what the health check's own write does
// not see, the store does not take itself for recovered, and connects now and then.
func testPostgresWritesFail(t *testing.T, c *cluster) {
	url := c.schema(t)
	_, schema, _ := strings.Cut(url, "search_path=")
	s := openShared(t, url)
	l := startLoad(t, s, 5*time.Second)
	before := connections(t, c.Database)
	c.SQL("postgres", `SET search_path = `+schema+`; CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN IF NEW.client = '' THEN RETURN NEW; END IF; RAISE EXCEPTION 'no more rows'; END $$;
		CREATE TRIGGER refuse BEFORE INSERT ON triplet FOR EACH ROW EXECUTE FUNCTION refuse()`)
	l.outage(t, 4*time.Second, "no more rows")
	if n := connections(t, c.Database) - before; n > 40 {
		t.Errorf("%d connections in four seconds", n)
	}
	c.SQL("postgres", `SET search_path = `+schema+`; DROP TRIGGER refuse ON triplet`)
	l.recovered(t)
	l.end()
	closesSoon(t, s)
}

// testPostgresStandbyDead: a commit that waits for a synchronous standby in vain is in
// the way of those who write, and of no other.
func testPostgresStandbyDead(t *testing.T, _ *cluster) {
	db := lab.StartDatabase(t)
	db.SQL("postgres", `CREATE ROLE greyglass LOGIN PASSWORD 'correct horse'; GRANT ALL ON SCHEMA public TO greyglass`)
	s := openShared(t, (&cluster{Database: db}).url("greyglass", ""))
	l := startLoad(t, s, 5*time.Second)
	db.SQL("postgres", `ALTER SYSTEM SET synchronous_standby_names = 'dead'`)
	db.SQL("postgres", `SELECT pg_reload_conf()`)
	l.outage(t, 10*time.Second, "")
	db.SQL("postgres", `ALTER SYSTEM RESET synchronous_standby_names`)
	db.SQL("postgres", `SELECT pg_reload_conf()`)
	l.recovered(t)
	l.end()
	closesSoon(t, s)
}

// testPostgresSerializable: where the role's transactions are serializable, who was in
// another's way tries again.
func testPostgresSerializable(t *testing.T, c *cluster) {
	url := c.schema(t)
	_, schema, _ := strings.Cut(url, "search_path=")
	c.SQL("postgres", `CREATE ROLE strict`+schema+` LOGIN PASSWORD 'correct horse'; GRANT greyglass TO strict`+schema+`;
		ALTER ROLE strict`+schema+` SET default_transaction_isolation = serializable`)
	url = c.url("strict"+schema, "search_path="+schema)
	stores := []*Store{openShared(t, url), openShared(t, url)}
	var all sync.WaitGroup
	for i := range int64(8) {
		all.Go(func() {
			s := stores[i%2]
			for n := range int64(30) {
				h := greylist.History{Returned: []greylist.Returned{{Hour: 3600, Within: 300, Count: 1}}}
				_, _, expireErr := s.Expire(t.Context(), greylist.Cutoffs{WaitingBefore: 5}, 0)
				_, countErr := s.Count(t.Context())
				_, forgetErr := s.Forget(t.Context(), storetest.Numbered(n))
				err := errors.Join(s.Record(t.Context(), h), expireErr, countErr, forgetErr,
					storetest.Update(t.Context(), s, storetest.Numbered(n), storetest.Remember(greylist.Entry{FirstSeen: i})))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	h, err := stores[0].History(t.Context(), 0)
	if err != nil || len(h.Returned) != 1 || h.Returned[0].Count != 8*30 {
		t.Errorf("%+v, %v; want a count of %d", h, err, 8*30)
	}
	closesSoon(t, stores...)
}
