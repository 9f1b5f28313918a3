// Package lab runs real mail servers (Postfix, Sendmail and Exim, each from
// its Debian package) inside a test process, without installing them and
// without touching the machine's own mail.
//
// The packages conflict with one another, so they are downloaded, unpacked
// into a private root each, and run from there with their libraries found
// through LD_LIBRARY_PATH. What was fetched is kept below one folder,
// /var/cache/greyglass-lab or what the environment variable GREYGLASS_LAB
// names. The test process moves into a network namespace of its own, in which
// the address ranges reserved for documentation are local, so that a test
// client can have an address such as 203.0.113.7 or 2001:db8:7::1. Each started
// server also sees an /etc/hosts, /etc/passwd and /dev/log of its own.
//
// A test package uses it like this:
//
//	func TestMain(m *testing.M) {
//		if !lab.InNetns() {
//			// What needs the network comes here, such as building the daemon:
//			// lab.Main starts this program again, without a network. Hand
//			// results over by os.Setenv.
//		}
//		os.Exit(lab.Main(m, lab.Postfix, lab.Sendmail, lab.Exim))
//	}
//
//	func TestSomething(t *testing.T) {
//		mx := lab.Start(t, lab.Postfix, lab.Options{Milters: []string{"inet:127.0.0.1:8895"}})
//		c := lab.Dial(t, "203.0.113.7", mx.Addr4)
//		...
//	}
package lab

import (
	"errors"
	"os"
	"testing"
)

// MTA names one of the mail servers of the lab.
type MTA string

// No mail servers, but what a memory is kept in: the sqlite3 program, for
// [Command], PostgreSQL, for [StartDatabase], and PgBouncer, for [Database.Pooler];
// what watches a daemon: Prometheus, whose promtool is for [Command], and strace; and the
// reverse proxies of a web page, for [Command] too.
const (
	SQLite     MTA = "sqlite3"
	PostgreSQL MTA = "postgresql"
	PgBouncer  MTA = "pgbouncer"
	Prometheus MTA = "prometheus"
	Strace     MTA = "strace"
	Nginx      MTA = "nginx"
	Apache     MTA = "apache"
	Caddy      MTA = "caddy"
)

const (
	Postfix  MTA = "postfix"
	Sendmail MTA = "sendmail"
	Exim     MTA = "exim"
)

const (
	// Domain is the domain whose mail every instance takes and delivers.
	Domain = "example.test"
	// Hostname is the name by which every instance calls itself, and the name
	// in its certificate.
	Hostname = "mx." + Domain
	// User and Password are the one login that Options.Auth lets in.
	User     = "alice"
	Password = "secret"
)

// ErrUnavailable is wrapped by the errors of Prepare and EnterNetns that mean
// that the lab cannot work here (not Linux, not root, no apt-get, no network),
// rather than that it is broken. The message ends in the one reason.
var ErrUnavailable = errors.New("lab: real MTAs are not available")

// errState is what Main found out: nil once the lab is prepared and entered.
var errState = errors.New("lab: TestMain did not call lab.Main")

// Main is TestMain's work: it prepares the MTAs, moves the test process into
// the network namespace and runs the tests. It returns their exit code. Where
// the lab cannot work, the tests run all the same: those that need it call
// Require or Start, which skip or fail them.
func Main(m *testing.M, mtas ...MTA) int {
	errState = Prepare(mtas...)
	if errState == nil {
		errState = EnterNetns()
	}
	if errState == nil {
		endOnSignal()
	}
	return m.Run()
}

// Require skips or fails t (see SkipOrFail) unless the lab works. Start calls
// it; a test that does something costly before Start may call it first.
func Require(t testing.TB) {
	t.Helper()
	SkipOrFail(t, errState)
}

// SkipOrFail does nothing when err is nil. It skips t when err says that the
// lab is unavailable here, unless GREYGLASS_REQUIRE_ALL=1 forbids tests to be
// skipped; any other error fails t.
func SkipOrFail(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		giveUp(t, errors.Is(err, ErrUnavailable), err)
	}
}

// Need skips a test that cannot be made here, and says why, or fails it where
// nothing may be skipped.
func Need(t testing.TB, ok bool, why string) {
	t.Helper()
	if !ok {
		giveUp(t, true, why)
	}
}

// giveUp skips t if its reason to end may be one to skip it, and fails it if not.
func giveUp(t testing.TB, maySkip bool, why any) {
	t.Helper()
	if maySkip && os.Getenv("GREYGLASS_REQUIRE_ALL") != "1" {
		t.Skip(why)
		return
	}
	t.Fatal(why)
}
