package judge

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/sqlstore/memstore"
)

// With PrivateLog, no address reaches the log, and lines about the same one
// still belong together.
func TestPrivateLog(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	p := newPolicy(t)
	p.PrivateLog, p.Identity.Provider = true, true
	judge := New(memstore.New(), p, logger, clock.New(time.Now, logger))
	for range 2 {
		judge.Recipient(t.Context(), nil, greylist.Attempt{
			Client: greylist.ParseClient("203.0.113.7"), ClientName: "mx.example.net", Helo: "mx.example.net", Sender: "Ann@example.net", Recipient: "bob@example.org", Via: "milter",
		})
	}
	for _, secret := range []string{"203.0.113.7", "example.net", "ann", "bob"} {
		if strings.Contains(strings.ToLower(log.String()), secret) {
			t.Errorf("the log holds %q:\n%s", secret, &log)
		}
	}
	// printf %s name:example.net | sha256sum | cut -c1-16
	if n := strings.Count(log.String(), "identity=518ab46588e067f7 "); n != 2 {
		t.Errorf("%d lines of the client:\n%s", n, &log)
	}
	// printf %s ann@example.net | sha256sum | cut -c1-16
	if n := strings.Count(log.String(), "sender=2a8d4e854810707b "); n != 2 {
		t.Errorf("%d lines of the sender:\n%s", n, &log)
	}
}
