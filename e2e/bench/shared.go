package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"greyglass/e2e/lab"
	"greyglass/sqlstore"
)

// postgres is a PostgreSQL on this machine.
type postgres struct {
	*lab.Database
	test   *testless
	filled uint64 // how many rows the database named full has; zero: there is none
}

// startShared starts so many daemons on one PostgreSQL database that knows the
// population. They share the cores as they would share a machine's, so that they are not
// in one another's way more than they need to be.
func startShared(daemons int) func(*bench, string, shape) (*server, error) {
	return func(b *bench, _ string, as shape) (first *server, err error) {
		if err := b.fillShared(); err != nil {
			return nil, err
		}
		name := fmt.Sprintf("shared%d", daemons)
		b.postgres.SQL("postgres", "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		b.postgres.SQL("postgres", "CREATE DATABASE "+name+" TEMPLATE full_")
		cores := fmt.Sprintf("GOMAXPROCS=%d", max(1, runtime.NumCPU()/daemons))
		for i := range daemons {
			s, err := startDaemon(b, fmt.Sprintf("%s-%d", name, i), b.postgres.url(name), 0, as, cores)
			switch {
			case err != nil && first != nil:
				return nil, errors.Join(err, first.stop())
			case err != nil:
				return nil, err
			case first == nil:
				first = s
			default:
				first.beside = append(first.beside, s)
			}
		}
		first.database = b.postgres.Database
		return first, nil
	}
}

func (p *postgres) url(database string) string {
	return fmt.Sprintf("postgres://bench:bench@127.0.0.1:%d/%s?sslmode=disable", p.Port, database)
}

// fillShared makes the database that others are copied from.
func (b *bench) fillShared() error {
	if b.postgres == nil {
		if err := lab.Prepare(lab.PostgreSQL); err != nil {
			return err
		}
		test := new(testless)
		b.postgres = &postgres{Database: lab.StartDatabase(test), test: test}
		b.postgres.SQL("postgres", "CREATE ROLE bench SUPERUSER LOGIN PASSWORD 'bench'")
	}
	if b.postgres.filled == b.rowsWanted {
		return nil
	}
	say("\rfilling PostgreSQL with %s triplets        ", grouped(b.rowsWanted))
	b.postgres.SQL("postgres", "DROP DATABASE IF EXISTS full_ WITH (FORCE)")
	b.postgres.SQL("postgres", "CREATE DATABASE full_")
	ctx, url := context.Background(), b.postgres.url("full_")
	if _, err := sqlstore.Migrate(ctx, url, sqlstore.Options{}); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	now, n := time.Now(), uint64(0)
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"triplet"}, columns, pgx.CopyFromFunc(func() ([]any, error) {
		if n == b.rowsWanted {
			return nil, nil
		}
		n++
		return rowOf(n-1, now), nil
	}))
	if err == nil {
		_, err = conn.Exec(ctx, `VACUUM ANALYZE triplet`)
	}
	var bytes int64
	if err == nil {
		err = conn.QueryRow(ctx, `SELECT pg_total_relation_size('triplet')`).Scan(&bytes)
	}
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return err
	}
	b.postgres.filled = n
	b.fact("%s triplets take %.0f bytes each in PostgreSQL.", grouped(n), float64(bytes)/float64(n))
	return nil
}

func (p *postgres) stop() {
	if p != nil {
		for _, f := range slices.Backward(p.test.ends) {
			f()
		}
	}
}

// testless lets the lab's server run without a test.
type testless struct {
	testing.TB
	ends []func()
}

func (t *testless) Helper()                           {}
func (t *testless) Failed() bool                      { return false }
func (t *testless) Cleanup(f func())                  { t.ends = append(t.ends, f) }
func (t *testless) Logf(format string, args ...any)   { say(format+"\n", args...) }
func (t *testless) Error(args ...any)                 { say("%s\n", fmt.Sprint(args...)) }
func (t *testless) Errorf(format string, args ...any) { say(format+"\n", args...) }
func (t *testless) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (t *testless) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// socketOf is the socket of one of the connections.
func (s *server) socketOf(connection int) string {
	if i := connection % (1 + len(s.beside)); i > 0 {
		return s.beside[i-1].socket
	}
	return s.socket
}

// cpuOfAll is what all who share the load have used.
func (s *server) cpuOfAll() (time.Duration, error) {
	sum, err := s.cpu()
	for _, other := range s.beside {
		used, e := other.cpu()
		sum, err = sum+used, errors.Join(err, e)
	}
	return sum, err
}

// watchDatabase begins to measure what the database uses for the server, until
// done is told for how many transactions.
func (s *server) watchDatabase() (done func(transactions int)) {
	if s.database == nil {
		return func(int) {}
	}
	before := s.database.CPU()
	return func(transactions int) {
		s.inDatabase += s.database.CPU() - before
		s.transactions += transactions
	}
}

// databaseTime returns what the database has used for the server since it was last
// asked.
func (s *server) databaseTime() time.Duration {
	used := s.inDatabase
	s.inDatabase = 0
	return used
}
