package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"greyglass/e2e/lab"
	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// TestPostgres are all tests that need a real PostgreSQL, which they share.
func TestPostgres(t *testing.T) {
	c := startCluster(t)
	t.Run("Contract", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) storetest.Database {
			url := c.schema(t) + "&connect_timeout=20" // for a loaded machine
			return func(t *testing.T) greylist.Store { return openWorking(t, url) }
		})
	})
	for _, test := range []struct {
		name string
		run  func(*testing.T, *cluster)
	}{
		{"Batch", testPostgresBatch},
		{"LateBatch", testPostgresLateBatch},
		{"Migrate", testPostgresMigrate},
		{"Upgrade", testPostgresUpgrade},
		{"MigrateYields", testPostgresMigrateYields},
		{"Waits", testPostgresWaits},
		{"Clocks", testPostgresClocks},
		{"Foreign", testPostgresForeign},
		{"Views", testPostgresViews},
		{"Numbers", testPostgresNumbers},
		{"Flood", func(t *testing.T, c *cluster) {
			s := openShared(t, c.schema(t))
			storetest.Flood(t, s)
			closesSoon(t, s)
		}},
		{"Trim", testPostgresTrim},
		{"Search", testPostgresSearch},
		{"Unavailable", testPostgresUnavailable},
		{"Swallowed", testPostgresSwallowed},
		{"Locked", testPostgresLocked},
		{"RowLocked", testPostgresRowLocked},
		{"Pooled", testPostgresPooled},
		{"WritesFail", testPostgresWritesFail},
		{"DiskFull", testPostgresDiskFull},
		{"StandbyDead", testPostgresStandbyDead},
		{"Serializable", testPostgresSerializable},
		{"Silent", testPostgresSilent},
		{"Hosts", testPostgresHosts},
		{"Switchover", testPostgresSwitchover},
		{"Certificate", testPostgresCertificate},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, c) })
	}
}

// cluster is a PostgreSQL with a role for the daemons.
type cluster struct {
	*lab.Database
	schemas atomic.Int64
}

func startCluster(t testing.TB) *cluster {
	t.Helper()
	lab.SkipOrFail(t, lab.Prepare(lab.PostgreSQL, lab.PgBouncer))
	c := &cluster{Database: lab.StartDatabase(t)}
	c.SQL("postgres", `CREATE ROLE greyglass LOGIN PASSWORD 'correct horse'`)
	return c
}

// schema makes a schema of the test's own, that belongs to the daemons' role, and
// returns the URL of it.
func (c *cluster) schema(t testing.TB) (url string) {
	t.Helper()
	name := fmt.Sprintf("test%d", c.schemas.Add(1))
	c.SQL("postgres", "CREATE SCHEMA "+name+" AUTHORIZATION greyglass")
	return c.url("greyglass", "search_path="+name)
}

// url is where a role finds the database, with its password.
func (c *cluster) url(role, parameters string) string {
	return fmt.Sprintf("postgres://%s:correct%%20horse@127.0.0.1:%d/postgres?sslmode=disable&%s", role, c.Port, parameters)
}

// openShared opens a database as a daemon does.
func openShared(t testing.TB, url string) *Store {
	t.Helper()
	s, err := Open(context.Background(), url, backend.Options{Create: true})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

// openWorking opens a database and waits until it works. On a loaded machine opening may
// time out; then the schema is created by the next health check, and until then there is no
// table (42P01).
func openWorking(t testing.TB, url string) *Store {
	t.Helper()
	s := openShared(t, url)
	var err error
	for range 300 {
		if err = s.Ping(context.Background()); err == nil {
			return s
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("Ping: %v", err)
	return nil
}

var discard = slog.New(slog.DiscardHandler)
