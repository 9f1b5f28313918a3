package proxies

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"

	"greyglass/e2e/browse"
)

// browserAt is the address of the browser, which the page's log must have.
const browserAt = "198.51.100.7"

// newBrowser is a browser that reaches the page through the proxy, over TLS.
func newBrowser(t *testing.T) *browse.Browser {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(browserAt)}}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", proxyAt)
		},
		TLSClientConfig: &tls.Config{ServerName: pageName, InsecureSkipVerify: true}, // the certificates are of the test
	}
	t.Cleanup(transport.CloseIdleConnections)
	b := browse.New(t, ours)
	b.Client.Transport = transport
	return b
}

// authenticate says to the proxy who asks; nobody does if the user is empty.
func authenticate(b *browse.Browser, user, password string) {
	b.Header.Del("Authorization")
	if user != "" {
		r := http.Request{Header: b.Header}
		r.SetBasicAuth(user, password)
	}
}

// isOurs reports whether it is a page of Greyglass.
func isOurs(p browse.Page) bool { return strings.Contains(p.HTML, "Greyglass</title>") }
