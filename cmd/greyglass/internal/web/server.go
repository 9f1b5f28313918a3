package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"greyglass/cmd/greyglass/internal/watch"
)

// The limits of requests. A request is small, and an answer takes a fraction of a second.
const (
	maxHeader     = 16 << 10 // octets; cookies of other services on the same name come, too
	maxBody       = 8 << 10  // octets
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 20 * time.Second
	idleTimeout   = 30 * time.Second
)

// Server is the HTTP server of the page.
type Server struct {
	config  Config
	log     *slog.Logger
	now     func() time.Time
	hosts   watch.Hosts
	users   *users
	signer  *signer
	logins  *throttle
	changes *changes

	readers  chan struct{} // holds one for each search or action that reads the database
	failures failures

	http   *http.Server
	daemon atomic.Pointer[serving]
}

// New makes a server. While its certificate cannot be read, it answers no request.
func New(c Config, log *slog.Logger) *Server {
	s := &Server{
		config: c, log: log, now: time.Now,
		hosts:   watch.HostsOf(c.Listen, c.Names...),
		users:   &users{file: c.UsersFile, log: log},
		signer:  newSigner(),
		logins:  newThrottle(),
		changes: newChanges(),
		readers: make(chan struct{}, maxReading),
	}
	limiter := new(limiter)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // a connection has one request at a time
	s.http = &http.Server{
		Handler:                      s.guarded(s.routes()),
		Protocols:                    protocols,
		ReadHeaderTimeout:            headerTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader,
		ConnState:                    limiter.note,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	if c.Certificate != "" {
		certificate := &certificate{file: c.Certificate, key: c.Key, log: log}
		certificate.renew() // at once, so that the log has what is wrong
		s.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate.get}
	}
	return s
}

// Show sets the daemon, which serves from now on, until the context ends.
func (s *Server) Show(ctx context.Context, d *Daemon) {
	view := &serving{Daemon: d, overview: newOverview(d, s.logFailure)}
	s.daemon.Store(view)
	view.overview.run(ctx)
}

// serving is a daemon that the page shows.
type serving struct {
	*Daemon
	overview *overview
}

// Serve answers until the server is closed; it closes the listener.
func (s *Server) Serve(l net.Listener) error {
	var err error
	if s.http.TLSConfig != nil {
		err = s.http.ServeTLS(l, "", "")
	} else {
		err = s.http.Serve(l)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("web: %w", err)
	}
	return nil
}

// Close ends the server.
func (s *Server) Close() error { return s.http.Close() }
