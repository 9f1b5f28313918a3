package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// lockTimeout bounds how long a worker's statement waits for a lock. It is shorter than
// the daemon's own timeout, so that the server reports the lock.
const lockTimeout = 700 * time.Millisecond

// The server ends a transaction whose client is silent for so long, and so frees its locks: a
// machine that has lost its power or its network does not end its connections. One of a worker
// takes milliseconds; one of the pool may hold a lock while another connection works (Trim).
const (
	silentWorker = 30 * time.Second
	silentPool   = 10 * time.Minute
)

// session is a connection to the server, as the workers use it.
type session struct {
	*pgx.Conn
	origin string // identifies the server: different for another host, and after a restart
	pooled bool   // a connection pooler stands between: each transaction may run on another connection of the server
	mode   pgx.QueryExecMode
}

// The settings of a worker's statements. They use an index for every row, also before the
// planner has statistics, and no JIT compilation.
var (
	sessionSettings = fmt.Sprintf(`SET default_transaction_isolation = 'read committed'; SET lock_timeout = %d;
		SET idle_in_transaction_session_timeout = %d; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
		SET plan_cache_mode = force_generic_plan; SET jit = off`, lockTimeout.Milliseconds(), silentWorker.Milliseconds())

	// transactionSettings end with the transaction, so that no other client of a pooler has them.
	transactionSettings = fmt.Sprintf(`SELECT set_config('lock_timeout', '%d', true),
		set_config('idle_in_transaction_session_timeout', '%d', true), set_config('enable_seqscan', 'off', true),
		set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true)`,
		lockTimeout.Milliseconds(), silentWorker.Milliseconds())

	// poolSettings are those of the connections of the pool.
	poolSettings = fmt.Sprintf(`SET idle_in_transaction_session_timeout = %d`, silentPool.Milliseconds())
)

// identitySQL returns the identity and the clock of a server.
const identitySQL = `SELECT pg_backend_pid(), pg_postmaster_start_time()::text, extract(epoch FROM clock_timestamp())::float8`

// open connects to a host. It recognizes a pooler by a process number that differs from
// the server's; the connection then has no named prepared statements.
func (s *server) open(ctx context.Context, host *pgx.ConnConfig) (*session, error) {
	conn, err := pgx.ConnectConfig(ctx, host)
	if err != nil {
		return nil, err
	}
	c, err := s.identify(ctx, conn, host)
	switch {
	case err != nil:
		closeSoon(conn)
		return nil, err
	case c.pooled && c.mode == pgx.QueryExecModeCacheStatement:
		closeSoon(conn)
		s.pooled.Store(true)
		host.DefaultQueryExecMode = unnamedStatements
		return s.open(ctx, host)
	case c.pooled:
		return c, nil
	}
	if _, err := conn.Exec(ctx, sessionSettings, pgx.QueryExecModeSimpleProtocol); err != nil {
		closeSoon(conn)
		return nil, err
	}
	return c, nil
}

// unnamedStatements prepares no statements for later transactions.
const unnamedStatements = pgx.QueryExecModeCacheDescribe

// identify reads the server's identity and clock.
func (s *server) identify(ctx context.Context, conn *pgx.Conn, host *pgx.ConnConfig) (*session, error) {
	var pid uint32
	var started string
	var now float64
	asked := s.now()
	if err := conn.QueryRow(ctx, identitySQL, pgx.QueryExecModeSimpleProtocol).Scan(&pid, &started, &now); err != nil {
		return nil, err
	}
	s.clock.compare(asked, s.now(), now)
	s.waiters.add(pid)
	return &session{conn, fmt.Sprint(host.Host, host.Port, started), pid != conn.PgConn().PID(), host.DefaultQueryExecMode}, nil
}

// pipeline begins a batch of statements for one round trip. They are one transaction
// unless they begin and end one themselves (PostgreSQL's manual, section 55.2.4).
func (c *session) pipeline() *pgx.Batch {
	b := new(pgx.Batch)
	c.queueSettings(b)
	return b
}

// queueSettings adds the settings of a transaction, if the session has none.
func (c *session) queueSettings(b *pgx.Batch) {
	if c.pooled {
		b.Queue(transactionSettings)
	}
}

func (c *session) send(ctx context.Context, b *pgx.Batch) error { return c.SendBatch(ctx, b).Close() }

// closeSoon closes a connection without waiting for a server that may be gone.
func closeSoon(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
