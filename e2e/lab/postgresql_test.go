package lab

import (
	"testing"
	"time"
)

// A server keeps what it was told when it crashes, and a standby what the primary
// was told.
func TestDatabase(t *testing.T) {
	Require(t)
	t.Parallel()
	primary := StartDatabase(t)
	primary.SQL("postgres", "CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
	port := primary.Port
	primary.Kill()
	primary.Start()
	if got := primary.SQL("postgres", "SELECT n FROM t"); got != "1" || primary.Port != port {
		t.Errorf("after a crash: %q at port %d, want 1 at %d", got, primary.Port, port)
	}
	standby := primary.Standby()
	if got := standby.SQL("postgres", "SELECT pg_is_in_recovery()"); got != "t" {
		t.Errorf("the standby is none: %s", got)
	}
	primary.SQL("postgres", "INSERT INTO t VALUES (2)")
	if !poll(time.Minute, func() bool { return standby.SQL("postgres", "SELECT count(*) FROM t") == "2" }) {
		t.Error("the standby does not follow")
	}
	primary.Kill()
	standby.Promote()
	standby.SQL("postgres", "INSERT INTO t VALUES (3)")
	if got := standby.SQL("postgres", "SELECT string_agg(n::text, ' ' ORDER BY n) FROM t"); got != "1 2 3" {
		t.Errorf("after the failover: %q", got)
	}
	if got := standby.SQL("postgres", "SHOW fsync"); got != "on" {
		t.Errorf("fsync is %s", got)
	}
}
