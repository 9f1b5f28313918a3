package postgres

import (
	"fmt"
	"strings"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// pooled makes a schema of the test's own, and returns the URL of it behind a PgBouncer that
// gives a session of the server to each transaction.
func (c *cluster) pooled(t *testing.T) (url string) {
	t.Helper()
	name := fmt.Sprintf("pooled%d", c.schemas.Add(1))
	c.SQL("postgres", fmt.Sprintf(`CREATE ROLE %[1]s LOGIN PASSWORD 'correct horse'; CREATE SCHEMA %[1]s AUTHORIZATION %[1]s;
		ALTER ROLE %[1]s SET search_path = %[1]s`, name))
	port := c.Pooler(name, "correct horse")
	return strings.Replace(c.url(name, ""), fmt.Sprint(c.Port), fmt.Sprint(port), 1)
}

// testPostgresPooled: the contract holds behind a pooler that gives a session of the server to
// each transaction, and nothing of ours stays in its sessions.
func testPostgresPooled(t *testing.T, c *cluster) {
	storetest.Run(t, func(t *testing.T) storetest.Database {
		url := c.pooled(t)
		return func(t *testing.T) greylist.Store { return openWorking(t, url) }
	})
	t.Run("leaves nothing", func(t *testing.T) {
		url := c.pooled(t)
		if _, err := Migrate(t.Context(), url, backend.Options{}); err != nil {
			t.Fatal(err)
		}
		s := openWorking(t, url)
		for n := range int64(100) {
			for range 2 {
				if err := storetest.Update(t.Context(), s, storetest.Numbered(n), storetest.Remember(greylist.Entry{FirstSeen: n})); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := s.Trim(t.Context(), 50); err != nil {
			t.Error(err)
		}
		var statements, locks int
		var settings string
		if err := s.pool.QueryRow(`SELECT (SELECT count(*) FROM pg_prepared_statements WHERE name <> ''),
			(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
			current_setting('lock_timeout') || ' ' || current_setting('idle_in_transaction_session_timeout') || ' ' || current_setting('enable_seqscan') || ' ' || current_setting('jit')`).Scan(&statements, &locks, &settings); err != nil {
			t.Fatal(err)
		}
		if statements != 0 || locks != 0 || settings != "0 0 on on" {
			t.Errorf("%d prepared statements, %d advisory locks, settings %q", statements, locks, settings)
		}
		closesSoon(t, s)
	})
}
