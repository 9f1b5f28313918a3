package web

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"sync"

	"greyglass/cmd/greyglass/internal/fingerprint"
)

// certificate is a TLS certificate whose files may be renewed. They are looked at for each
// connection, which costs less than anything else that a connection does.
type certificate struct {
	file, key string
	log       *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate           // nil: it could not be read yet
	seen    [2]fingerprint.Fingerprint // of the files
	failed  string                     // the error that was logged last
}

var errNoCertificate = errors.New("web.certificate cannot be read; the log has the cause")

// get is [tls.Config] GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.renew()
	if c.current == nil {
		return nil, errNoCertificate
	}
	return c.current, nil
}

// renew reads the files if they have changed, or could not be used the last time.
func (c *certificate) renew() {
	now := [2]fingerprint.Fingerprint{fingerprint.Of(c.file), fingerprint.Of(c.key)}
	if c.seen == now && c.current != nil && c.failed == "" {
		return
	}
	c.seen = now
	pair, err := tls.LoadX509KeyPair(c.file, c.key)
	if err != nil {
		c.fail(err)
		return
	}
	if c.current != nil || c.failed != "" {
		c.log.Info(eventCertificateRead, "file", c.file)
	}
	c.current, c.failed = &pair, ""
}

// fail logs once why the files cannot be used: perhaps one of the two is not written yet.
func (c *certificate) fail(err error) {
	if err.Error() == c.failed {
		return
	}
	c.failed = err.Error()
	event := eventCertificateFailed
	if c.current == nil {
		event = eventNoCertificate
	}
	c.log.Error(event, "error", err)
}
