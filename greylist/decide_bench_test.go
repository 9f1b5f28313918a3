package greylist

import (
	"testing"
)

func BenchmarkDecide(b *testing.B) {
	const now = 10_000_000
	for _, c := range []struct {
		name       string
		remembered *Entry
	}{
		{"unseen", nil},
		{"waiting", &Entry{FirstSeen: now - 1000}},
		{"passed", &Entry{FirstSeen: now - 9000, LastSeen: now - 1000, PassedAt: now - 1000, Accepted: 1}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				DefaultWindows.Decide(c.remembered, now)
			}
		})
	}
}
