package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// lockNotAvailable is the code of a statement that ran into lock_timeout.
const lockNotAvailable = "55P03"

// advice says what to do about an error of the server, by its code or by the two
// characters of its class (PostgreSQL's manual, appendix A).
var advice = map[string]string{
	"08":             networkAdvice,
	"28":             passwordAdvice,
	"28P01":          passwordAdvice,
	"3D000":          "create the database (" + rolesFile + " does), or give another in store.url",
	"3F000":          privilegeAdvice,
	"42501":          privilegeAdvice,
	"42P01":          "run 'greyglass migrate' as the role that is to own the schema",
	"25006":          readOnlyAdvice,
	"53100":          "make room on the server's disk",
	"53300":          fmt.Sprintf("raise max_connections of the server or the role's CONNECTION LIMIT, or end the sessions that take them; a daemon needs up to %d", maxConnections),
	"26000":          poolerAdvice,
	"42P05":          poolerAdvice,
	lockNotAvailable: lockAdvice,
	"57014":          "raise statement_timeout of the role or the database (the workers' statements take milliseconds), or see who cancels them",
	"57P03":          "wait until the server is up",
	"57":             "see why the server was stopped, and start it",
	"58":             "look at the server's log, and its disk",
	"XX":             "look at the server's log: its data may be damaged",
}

// rolesFile is the script that creates the roles, in the sources and in the package.
const rolesFile = "postgres/roles.sql of contrib, or of /usr/share/doc/greyglass/examples,"

const (
	networkAdvice   = "see that the server runs and can be reached, and that store.url names it"
	passwordAdvice  = "correct the role's password (store.password_file, PGPASSFILE, PGPASSWORD or store.url), or the server's pg_hba.conf"
	privilegeAdvice = "run 'greyglass migrate' as the role that is to own the schema, and grant the daemon's role what " + rolesFile + " does"
	readOnlyAdvice  = "promote a standby, or name all hosts of the cluster in store.url"
	lockAdvice      = "terminate the session that holds the lock (pg_locks shows it), or wait"
	tlsAdvice       = "give in store.url the name that is in the server's certificate, and the sslrootcert of its issuer"
	poolerAdvice    = "a connection pooler gives the daemon another session of the server in each transaction, and was not recognised: add default_query_exec_mode=cache_describe to store.url"
	skewAdvice      = "set both clocks right and keep them so (NTP); what is decided goes by the database server's clock"
)

// codeOf returns the SQLSTATE of an error of the server, or "".
func codeOf(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// fault makes a fault, in one line, of an error of the server or the network. The
// driver's errors contain no password.
func (s *server) fault(err error) *greylist.Fault {
	var known *greylist.Fault
	if errors.As(err, &known) {
		return known
	}
	what := adviceOn(err)
	if what != "" {
		what += backend.ByItself
	}
	return &greylist.Fault{Database: s.name, Err: &lineError{oneLine(err.Error()), err}, Advice: what}
}

// lineError is an error with its text in one line.
type lineError struct {
	text string
	err  error
}

func (e *lineError) Error() string { return e.text }
func (e *lineError) Unwrap() error { return e.err }

func adviceOn(err error) string {
	code := codeOf(err)
	if what, ok := advice[code]; ok {
		return what
	}
	if len(code) == 5 {
		return advice[code[:2]]
	}
	var certificate *tls.CertificateVerificationError
	var path *os.PathError
	switch {
	case errors.Is(err, errLocked):
		return lockAdvice
	case errors.Is(err, greylist.ErrNoDatabase), errors.Is(err, errOlder), errors.Is(err, errPrivileges):
		return privilegeAdvice
	case errors.Is(err, errEncoding):
		return "create it again with ENCODING 'UTF8' TEMPLATE template0"
	case errors.Is(err, pgconn.ErrReadOnlyConnection), errors.Is(err, pgconn.ErrStandbyConnection):
		return readOnlyAdvice
	case errors.As(err, &certificate), errors.As(err, new(x509.HostnameError)), errors.As(err, new(x509.UnknownAuthorityError)):
		return tlsAdvice
	case errors.As(err, &path):
		return "let the daemon's user read it"
	case errors.Is(err, context.DeadlineExceeded):
		return "look at the network, and at the load of the server"
	}
	return networkAdvice
}

// contextEnded is the error of a caller whose context ended before its answer; locked says
// whether another session held a lock.
func (s *server) contextEnded(ctx error, locked bool) error {
	switch {
	case errors.Is(ctx, context.Canceled):
		return ctx
	case locked:
		return s.fault(fmt.Errorf("%w: %w", errLocked, ctx))
	}
	return s.fault(fmt.Errorf("no answer in time: %w", ctx))
}

// isConflict reports whether a conflict with another session rolled the transaction back,
// so that a retry may succeed.
func isConflict(err error) bool {
	code := codeOf(err)
	return code == "40001" || code == "40P01" || errors.Is(err, errInserted)
}

// isReadOnly reports whether the server is a standby, or not the primary any more.
func isReadOnly(err error) bool { return codeOf(err) == "25006" }

// isAboutData reports whether the server refused the data, rather than failed.
func isAboutData(err error) bool {
	code := codeOf(err)
	return strings.HasPrefix(code, "22") || strings.HasPrefix(code, "23")
}
