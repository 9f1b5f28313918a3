package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certify writes a certificate that signs itself, with a name, and its key.
func certify(t *testing.T, certFile, keyFile, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// newTLSSite starts a page that speaks TLS, with a certificate that is called "first".
func newTLSSite(t *testing.T) (s *site, certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certify(t, certFile, keyFile, "first")
	s = newSite(t, func(c *Config) { c.Certificate, c.Key = certFile, keyFile })
	return s, certFile, keyFile
}

// presented is the name of the certificate that a new connection gets.
func (s *site) presented() string {
	s.t.Helper()
	c, err := tls.Dial("tcp", s.at, &tls.Config{InsecureSkipVerify: true}) // it signs itself
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// TestRenewedCertificate: a renewed certificate is used from the next connection on. If it
// cannot be read, the previous one is, and the log says so once.
func TestRenewedCertificate(t *testing.T) {
	t.Parallel()
	s, certFile, keyFile := newTLSSite(t)
	for _, step := range []struct {
		change func()
		want   string
		failed int // lines of the log
	}{
		{func() {}, "first", 0},
		{func() { certify(t, certFile, keyFile, "renewed") }, "renewed", 0},
		{func() { write(t, certFile, "broken") }, "renewed", 1},
		{func() {}, "renewed", 1},
		{func() { certify(t, certFile, filepath.Join(t.TempDir(), "key"), "without its key") }, "renewed", 2},
		{func() { certify(t, certFile, keyFile, "third") }, "third", 2},
	} {
		step.change()
		if got := s.presented(); got != step.want {
			t.Errorf("the certificate %q, want %q", got, step.want)
		}
		if n := strings.Count(s.log.String(), eventCertificateFailed); n != step.failed {
			t.Errorf("with %q: %d failures are logged, want %d: %s", step.want, n, step.failed, s.log)
		}
	}
	if n := strings.Count(s.log.String(), eventCertificateRead); n != 2 {
		t.Errorf("two certificates were renewed: %s", s.log)
	}
}

// TestTLS: over TLS the cookie never goes without, and clear text and old versions are refused.
func TestTLS(t *testing.T) {
	t.Parallel()
	s, _, _ := newTLSSite(t)
	b := s.browser()
	b.Client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	b.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer b.Client.CloseIdleConnections()
	r := b.Request(http.MethodPost, "/login", url.Values{"user": {operator}, "password": {password}}.Encode())
	r.URL.Scheme = "https"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://"+s.at)
	p := b.Do(r)
	cookie := p.Header.Get("Set-Cookie")
	if p.Status != http.StatusSeeOther || !strings.HasPrefix(cookie, secureCookieName+"=") || !strings.Contains(cookie, "; Secure") {
		t.Errorf("status %d, cookie %q", p.Status, cookie)
	}
	if p.Header.Get("Strict-Transport-Security") != "" {
		t.Error("the page speaks for all services of the host")
	}
	clear := s.browser().Get("/")
	if clear.Status != http.StatusBadRequest || strings.Contains(clear.HTML, "Greyglass") {
		t.Errorf("in clear text: %d %s", clear.Status, clear.HTML)
	}
	if c, err := tls.Dial("tcp", s.at, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Errorf("TLS %x is spoken", c.ConnectionState().Version)
		_ = c.Close()
	}
}
