package postgres

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// tellAfter is how long a command waits for a lock before it reports that.
const tellAfter = time.Second

// blockersSQL returns the sessions that block those with these process numbers.
const blockersSQL = `SELECT DISTINCT format('session %s (user %s, program %s)', b.pid, b.usename, coalesce(nullif(b.application_name, ''), 'unnamed'))
	FROM unnest($1::int[]) AS own (pid), unnest(pg_blocking_pids(own.pid)) AS blocker (pid)
	JOIN pg_stat_activity b ON b.pid = blocker.pid WHERE b.pid <> ALL ($1::int[]) ORDER BY 1`

// waiters are the sessions of a command, by their process numbers in the server.
type waiters struct {
	mu   sync.Mutex
	pids []int32
	on   bool // a command, which reports what it waits for
}

func (w *waiters) add(pid uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.on {
		w.pids = append(w.pids, int32(pid))
	}
}

func (w *waiters) all() []int32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.pids)
}

// watchLocks calls tell, which may be nil, with the sessions that block this program,
// whenever they change, until stop is called.
func (s *server) watchLocks(tell func(string)) (stop func()) {
	if tell == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.waiters.mu.Lock()
	s.waiters.on = true
	s.waiters.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var conn *session // nil: none yet
		for last := ""; ; {
			select {
			case <-ctx.Done():
				if conn != nil {
					closeSoon(conn.Conn)
				}
				return
			case <-time.After(tellAfter):
			}
			if conn == nil || conn.IsClosed() {
				conn, _ = s.connect(ctx)
			}
			if now := s.blockers(ctx, conn); now != last && now != "" {
				tell(now)
				last = now
			}
		}
	}()
	return func() { cancel(); <-done }
}

// blockers returns the sessions that block this program; empty if there are none or they
// are unknown.
func (s *server) blockers(ctx context.Context, conn *session) string {
	if conn == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // after which pgx closes the connection
	defer cancel()
	rows, err := conn.Query(ctx, blockersSQL, s.waiters.all())
	if err != nil {
		return ""
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return ""
	}
	return strings.Join(names, ", ")
}
