package web

import (
	"crypto/tls"
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
	current *tls.Certificate
	seen    [2]fingerprint.Fingerprint // of the files
	looked  time.Time
}

// load reads both files.
func (c *certificate) load() error {
	c.seen = [2]fingerprint.Fingerprint{fingerprint.Of(c.file), fingerprint.Of(c.key)}
	c.looked = time.Now()
	pair, err := tls.LoadX509KeyPair(c.file, c.key)
	if err != nil {
		return err
	}
	c.current = &pair
	return nil
}

// get is [tls.Config] GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) > certificateEvery {
		c.renew()
	}
	return c.current, nil
}

// renew reads the files again if they have changed.
func (c *certificate) renew() {
	c.looked = time.Now()
	if c.seen == [2]fingerprint.Fingerprint{fingerprint.Of(c.file), fingerprint.Of(c.key)} {
		return
	}
	if err := c.load(); err != nil { // perhaps one of the two is not written yet
		c.log.Error(eventCertificateFailed, "error", err)
		return
	}
	c.log.Info(eventCertificateRead, "file", c.file)
}
