package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	neturl "net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"greyglass/sqlstore/backend"
)

const (
	// connectTimeout bounds an attempt to connect to one host, if the URL has no
	// connect_timeout.
	connectTimeout = 2 * time.Second

	// A daemon has a reader, a writer, poolSize connections for whatever takes its
	// time, and one for each of two health checks.
	poolSize       = 4
	maxConnections = poolSize + 4
)

// server is a PostgreSQL database on one or several hosts, of which one takes writes.
type server struct {
	url          string
	passwordFile string
	hosts        []*pgx.ConnConfig // one each
	last         atomic.Int32      // the host of the last connection: it is tried first
	name         string            // the URL without the password
	pooled       atomic.Bool       // a connection pooler was detected

	now     func() time.Time
	clock   clock
	waiters waiters
}

// newServer parses a URL (libpq's connection URIs; PostgreSQL's manual, section
// 34.1.1.2), and libpq's environment variables.
func newServer(url string, opts backend.Options) (*server, error) {
	whole, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	s := &server{url: url, passwordFile: opts.PasswordFile, hosts: hostsOf(whole), now: opts.Clock()}
	s.clock.log = opts.Log()
	var names []string
	for _, h := range s.hosts {
		host := net.JoinHostPort(h.Host, fmt.Sprint(h.Port))
		if strings.HasPrefix(h.Host, "/") {
			host = h.Host
		}
		names = append(names, host)
	}
	s.name = fmt.Sprintf("postgres://%s@%s/%s", whole.User, strings.Join(names, ","), whole.Database)
	return s, nil
}

// parseURL parses a URL. Its error does not contain the URL, which may have a password.
func parseURL(url string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("not a PostgreSQL URL: %w", parseFault(err))
	}
	_, query, _ := strings.Cut(url, "?")
	if parameters, _ := neturl.ParseQuery(query); parameters.Get("target_session_attrs") == "" && os.Getenv("PGTARGETSESSIONATTRS") == "" {
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "greyglass"
	}
	// Keep-alives detect a dead server on idle connections.
	dialer := &net.Dialer{Timeout: config.ConnectTimeout, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}
	config.DialFunc = dialer.DialContext
	return config, nil
}

// parseFault is the driver's error without the URL that it quotes.
func parseFault(err error) error {
	var parse *pgconn.ParseConfigError
	if !errors.As(err, &parse) {
		return errors.New("it cannot be understood")
	}
	if path := new(os.PathError); errors.As(err, &path) {
		return path
	}
	_, what, found := strings.Cut(err.Error(), "`: ")
	if !found {
		return errors.New("it cannot be understood")
	}
	return errors.New(oneLine(what))
}

// hostsOf splits a configuration into one for each host.
func hostsOf(whole *pgx.ConnConfig) []*pgx.ConnConfig {
	all := append([]*pgconn.FallbackConfig{{Host: whole.Host, Port: whole.Port, TLSConfig: whole.TLSConfig}}, whole.Fallbacks...)
	var hosts []*pgx.ConnConfig
	for i, f := range all {
		if i > 0 && f.Host == all[i-1].Host && f.Port == all[i-1].Port { // with TLS and without
			last := hosts[len(hosts)-1]
			last.Fallbacks = append(last.Fallbacks, f)
			continue
		}
		c := whole.Copy()
		c.Host, c.Port, c.TLSConfig, c.Fallbacks = f.Host, f.Port, f.TLSConfig, nil
		hosts = append(hosts, c)
	}
	return hosts
}

// connect connects to the first host that takes writes.
func (s *server) connect(ctx context.Context) (conn *session, err error) {
	err = s.try(ctx, func(ctx context.Context, host *pgx.ConnConfig) (err error) {
		conn, err = s.open(ctx, host)
		return err
	})
	return conn, err
}

// try connects to one host after the other until one succeeds, first to that of the last
// connection. A host that does not answer leaves the others their share of the time.
func (s *server) try(ctx context.Context, connect func(ctx context.Context, host *pgx.ConnConfig) error) error {
	var errs []error
	first := int(s.last.Load())
	for i := range s.hosts {
		n := (first + i) % len(s.hosts)
		host, err := s.configOf(s.hosts[n])
		if err != nil {
			return err
		}
		share, cancel := shareOf(ctx, len(s.hosts)-i)
		err = connect(share, host)
		cancel()
		if err == nil {
			s.last.Store(int32(n))
			return nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// shareOf returns a context with one of so many equal parts of the time that is left.
func shareOf(ctx context.Context, parts int) (context.Context, context.CancelFunc) {
	ends, limited := ctx.Deadline()
	if !limited {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(ends)/time.Duration(parts))
}

// configOf returns the configuration of a host with the present password, since the file
// may have changed, and without named statements if there is a pooler.
func (s *server) configOf(host *pgx.ConnConfig) (*pgx.ConnConfig, error) {
	config := host.Copy()
	if s.pooled.Load() && config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		config.DefaultQueryExecMode = unnamedStatements
	}
	if s.passwordFile != "" {
		text, err := os.ReadFile(s.passwordFile)
		if err != nil {
			return nil, fmt.Errorf("store.password_file: %w", err)
		}
		config.Password, _, _ = strings.Cut(string(text), "\n")
		config.Password = strings.TrimSuffix(config.Password, "\r")
		return config, nil
	}
	if fresh, err := pgx.ParseConfig(s.url); err == nil {
		config.Password = fresh.Password
	}
	return config, nil
}

// pool returns connections for slow statements. They are opened when needed, and reused
// within their epoch.
func (s *server) pool(epoch *atomic.Int64) *sql.DB {
	db := sql.OpenDB(connector{s, epoch})
	db.SetMaxOpenConns(poolSize)
	db.SetMaxIdleConns(1)
	db.SetConnMaxIdleTime(time.Minute)
	return db
}

// connector is a [driver.Connector].
type connector struct {
	server *server
	epoch  *atomic.Int64
}

func (c connector) Connect(ctx context.Context) (conn driver.Conn, err error) {
	made := c.epoch.Load()
	reset := stdlib.OptionResetSession(func(context.Context, *pgx.Conn) error {
		if c.epoch.Load() != made {
			return driver.ErrBadConn
		}
		return nil
	})
	err = c.server.try(ctx, func(ctx context.Context, host *pgx.ConnConfig) (err error) {
		host.DefaultQueryExecMode = unnamedStatements // these statements come too seldom to be prepared
		identify := stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
			as, err := c.server.identify(ctx, conn, host)
			if err == nil && !as.pooled {
				_, err = conn.Exec(ctx, poolSettings, pgx.QueryExecModeSimpleProtocol)
			}
			if err != nil {
				closeSoon(conn) // the library does not
			}
			return err
		})
		conn, err = stdlib.GetConnector(*host, reset, identify).Connect(ctx)
		return err
	})
	return conn, err
}

func (c connector) Driver() driver.Driver { return stdlib.GetDefaultDriver() }

// oneLine makes one line of a text.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\t' || r == '\r' }), "; ")
}
