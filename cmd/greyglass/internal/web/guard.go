package web

import (
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"

	"greyglass/cmd/greyglass/internal/watch"
)

// guarded lets only those requests through that the page may answer, and sets the headers
// that keep its answers safe in a browser.
func (s *Server) guarded(next http.Handler) http.Handler {
	sameOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil && v != http.ErrAbortHandler {
				s.log.Error(eventPanic, "panic", v, "stack", string(debug.Stack()))
				http.Error(w, "internal error; the log has the details", http.StatusInternalServerError)
			}
		}()
		setHeaders(w.Header())
		switch {
		case !s.hosts.Allow(r):
			http.Error(w, "this is not the name of this page; if it should be, add it to web.names in the configuration", http.StatusMisdirectedRequest)
		case !s.private(r):
			http.Error(w, "this page refuses clear text over the network: use TLS, or a reverse proxy that web.proxies names", http.StatusForbidden)
		case !s.privateBefore(r):
			http.Error(w, "this page refuses clear text over the network: use HTTPS; the reverse proxy must then set X-Forwarded-Proto to https, and X-Forwarded-For to the address of the browser", http.StatusForbidden)
		case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost:
			w.Header().Set("Allow", "GET, HEAD, POST")
			http.Error(w, "only GET and POST", http.StatusMethodNotAllowed)
		case r.Method != http.MethodPost && r.ContentLength != 0:
			http.Error(w, "such a request has no body", http.StatusRequestEntityTooLarge)
		case sameOrigin.Check(r) != nil || !sameHost(r):
			http.Error(w, "this request comes from the page of another site", http.StatusForbidden)
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			next.ServeHTTP(w, r)
		}
	})
}

// policy allows the page nothing but its own style sheet and pictures, and forms to itself.
const contentPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex, nofollow")
}

// sameHost reports whether a form comes from a page of this host. Browsers that send
// neither Sec-Fetch-Site nor Origin send a Referer.
func sameHost(r *http.Request) bool {
	if r.Method != http.MethodPost || r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != "" {
		return true
	}
	_, rest, ok := strings.Cut(r.Header.Get("Referer"), "://")
	host, _, _ := strings.Cut(rest, "/")
	return !ok || host == r.Host
}

// private reports whether the connection can carry passwords: it has TLS, or the peer is
// this machine or a reverse proxy.
func (s *Server) private(r *http.Request) bool {
	peer := peerOf(r)
	return r.TLS != nil || peer.IsLoopback() || s.isProxy(peer)
}

// privateBefore reports whether the browser's connection to a reverse proxy can carry
// passwords, too: it has TLS, or comes from this machine. Without X-Forwarded-For a request
// from this machine may be one of a proxy all the same, which does not set it: only one for
// localhost or a loopback address counts as that of a browser on this machine.
func (s *Server) privateBefore(r *http.Request) bool {
	peer := peerOf(r)
	switch {
	case !s.isProxy(peer), s.fromProxy(r, "X-Forwarded-Proto") == "https":
		return true
	case len(r.Header.Values("X-Forwarded-For")) == 0:
		return peer.IsLoopback() && forLoopback(r)
	}
	return s.browserOf(r).IsLoopback()
}

// forLoopback reports whether a request is for localhost or a loopback address.
func forLoopback(r *http.Request) bool {
	host, addr := watch.HostOf(r)
	return host == "localhost" || addr.IsLoopback()
}

// peerOf is the address of the other end of the connection.
func peerOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap().WithZone("")
}

func (s *Server) isProxy(peer netip.Addr) bool {
	return slices.ContainsFunc(s.config.Proxies, func(p netip.Prefix) bool { return p.Contains(peer) })
}

// fromProxy returns a field that a reverse proxy has set; empty if the peer is none, or the
// field comes more than once, so that it is not clear who has set it.
func (s *Server) fromProxy(r *http.Request, field string) string {
	values := r.Header.Values(field)
	if len(values) != 1 || !s.isProxy(peerOf(r)) {
		return ""
	}
	return values[0]
}

// overTLS reports whether the browser speaks TLS, to this server or to a reverse proxy.
func (s *Server) overTLS(r *http.Request) bool {
	return r.TLS != nil || s.fromProxy(r, "X-Forwarded-Proto") == "https"
}

// browserOf is the address of the browser: of the peer, or, behind reverse proxies, the last
// that they name and that is none of them. What is named before that, the browser may have
// written.
func (s *Server) browserOf(r *http.Request) netip.Addr {
	addr := peerOf(r)
	named := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, text := range slices.Backward(named) {
		text = strings.TrimSpace(text)
		if host, _, err := net.SplitHostPort(text); err == nil {
			text = host
		}
		before, err := netip.ParseAddr(text)
		if err != nil || !s.isProxy(addr) {
			break
		}
		addr = before.Unmap().WithZone("")
	}
	return addr
}
