package proxies

import (
	"context"
	"crypto/tls"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// browserAt is the address of the browser, which the page's log must have.
const browserAt = "198.51.100.7"

// browser reaches the proxy over TLS.
type browser struct {
	t      *testing.T
	client *http.Client
	header http.Header // of each request
	user   string      // who logs in at the proxy; empty: nobody
	pass   string
	host   string
}

func newBrowser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(browserAt)}}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", proxyAt)
		},
		TLSClientConfig: &tls.Config{ServerName: pageName, InsecureSkipVerify: true}, // the certificates are of the test
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t: t, client: &http.Client{Jar: jar, Transport: transport}, header: http.Header{}, host: pageName}
}

// page is an answer.
type page struct {
	status int
	header http.Header
	text   string
}

func (b *browser) do(r *http.Request) page {
	b.t.Helper()
	r.Host = b.host
	for name, values := range b.header {
		r.Header[name] = values
	}
	if b.user != "" {
		r.SetBasicAuth(b.user, b.pass)
	}
	answer, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{answer.StatusCode, answer.Header, string(text)}
}

func (b *browser) get(path string) page {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, "https://"+pageName+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(r)
}

// post sends a form, as from a page of an origin.
func (b *browser) post(path, origin string, form url.Values) page {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodPost, "https://"+pageName+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", origin)
	return b.do(r)
}

// fields are those of the first form of a page that goes to a path.
func (p page) fields(t *testing.T, path string) url.Values {
	t.Helper()
	form := regexp.MustCompile(`(?s)<form action="` + path + `" method="post"[^>]*>(.*?)</form>`).FindStringSubmatch(p.text)
	if form == nil {
		t.Fatalf("no form for %s in\n%s", path, p.text)
	}
	values := url.Values{}
	for _, field := range regexp.MustCompile(`name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(form[1], -1) {
		values.Set(field[1], html.UnescapeString(field[2]))
	}
	return values
}

// says checks a page.
func (p page) says(t *testing.T, status int, texts ...string) {
	t.Helper()
	if p.status != status {
		t.Errorf("status %d, want %d:\n%s", p.status, status, p.text)
	}
	for _, text := range texts {
		if !strings.Contains(p.text, text) {
			t.Errorf("the page does not say %q:\n%s", text, p.text)
		}
	}
}

// isOurs reports whether it is a page of Greyglass.
func (p page) isOurs() bool { return strings.Contains(p.text, "Greyglass</title>") }
