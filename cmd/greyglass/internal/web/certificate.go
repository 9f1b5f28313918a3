package web

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"sync"
	"time"

	"greyglass/cmd/greyglass/internal/fingerprint"
)

// certificateEvery is how often the files are looked at, at most.
const certificateEvery = 10 * time.Second

// certificate is a TLS certificate whose files may be renewed.
type certificate struct {
	file, key string
	log       *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate           // nil: it could not be read yet
	seen    [2]fingerprint.Fingerprint // of the files
	looked  time.Time
	failed  string // the error that was logged last
}

var errNoCertificate = errors.New("web.certificate cannot be read; the log has the cause")

// get is [tls.Config] GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) > certificateEvery {
		c.renew()
	}
	if c.current == nil {
		return nil, errNoCertificate
	}
	return c.current, nil
}

// renew reads the files if they have changed, or could not be used the last time.
func (c *certificate) renew() {
	c.looked = time.Now()
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
