package judge

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/sqlstore/storetest/faulty"
)

// BenchmarkRecipient is the most frequent answer of a server: to a triplet that has
// passed, with the decision log.
func BenchmarkRecipient(b *testing.B) {
	for name, log := range map[string]*slog.Logger{
		"logged": slog.New(slog.NewTextHandler(io.Discard, nil)),
		"silent": slog.New(slog.DiscardHandler),
	} {
		b.Run(name, func(b *testing.B) {
			now := time.Now()
			store := faulty.New()
			store.Put(b, greylist.Triplet{Client: "192.0.2.7", Sender: "jane@example.com", Recipient: "john@example.org"},
				greylist.Entry{FirstSeen: 1, LastSeen: now.Unix(), PassedAt: now.Unix(), Accepted: 1})
			j := New(store.Store, newPolicy(b), log, clock.New(func() time.Time { return now }, log))
			b.ReportAllocs()
			for b.Loop() {
				if got, _ := j.Recipient(context.Background(), nil, unknownAttempt); got.Reason != greylist.ReasonAlreadyGrey {
					b.Fatal(got.Reason)
				}
			}
		})
	}
}
