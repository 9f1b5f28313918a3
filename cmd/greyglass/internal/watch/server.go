package watch

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The limits of requests.
const (
	maxConnections = 32
	maxHeader      = 4 << 10 // octets, to which net/http adds 4096
	readTimeout    = 5 * time.Second
	writeTimeout   = 10 * time.Second
)

// schedulingLatency is how long goroutines wait until they run: whether the processors suffice.
var schedulingLatency = collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/sched/latencies:seconds$`)}

// Server is the HTTP server for metrics and health. It answers from the start of the
// daemon to its end.
type Server struct {
	server   *http.Server
	version  string
	hosts    Hosts
	inside   atomic.Int64 // connections
	daemon   atomic.Pointer[Daemon]
	stopping atomic.Bool
}

// NewServer makes a server for the configured address, HOST:PORT or systemd:NAME.
func NewServer(address, version string, log *slog.Logger) *Server {
	s := &Server{version: version, hosts: HostsOf(address)}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		&collector{version, s.daemon.Load},
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(schedulingLatency)),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	errorLog := slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", alive)
	mux.HandleFunc("/readyz", s.ready)
	mux.HandleFunc("/status", s.answerStatus)
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: errorLog, DisableCompression: true, MaxRequestsInFlight: 4,
	}))
	s.server = &http.Server{
		Handler:                      s.only(mux),
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		ConnState:                    s.bound,
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     errorLog,
	}
	s.server.SetKeepAlivesEnabled(false) // requests are rare
	return s
}

// bound closes new connections at the limit.
func (s *Server) bound(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if s.inside.Add(1) > maxConnections {
			_ = c.Close()
		}
	case http.StateClosed, http.StateHijacked:
		s.inside.Add(-1)
	}
}

// Serve answers until the server is closed; it closes the listener.
func (s *Server) Serve(l net.Listener) error {
	if err := s.server.Serve(l); err != http.ErrServerClosed {
		return fmt.Errorf("http: %w", err)
	}
	return nil
}

// Watch sets the daemon, which serves from now on.
func (s *Server) Watch(d *Daemon) { s.daemon.Store(d) }

// Stopping makes /readyz fail, since the daemon is about to end.
func (s *Server) Stopping() { s.stopping.Store(true) }

// Close ends the server.
func (s *Server) Close() error { return s.server.Close() }

// only allows requests that read, have no body, and have the right Host.
func (s *Server) only(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case !s.hosts.Allow(r):
			http.Error(w, "ask for this machine by its address, by localhost, or by the host of listen.http", http.StatusMisdirectedRequest)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET", http.StatusMethodNotAllowed)
		case r.ContentLength != 0:
			http.Error(w, "no body is taken", http.StatusRequestEntityTooLarge)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// CheckListener returns an error if other machines can reach the listener, which may be
// one that systemd has passed, and listen.http_public does not allow it.
func CheckListener(l net.Listener, public bool) error {
	tcp, ok := l.Addr().(*net.TCPAddr)
	if public || !ok || tcp.IP.IsLoopback() {
		return nil
	}
	return fmt.Errorf("listen.http: other machines can reach %s, and there is no password; listen on 127.0.0.1, or set listen.http_public = true", l.Addr())
}
