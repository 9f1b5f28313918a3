package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"greyglass/greylist"
)

// Bench measures decisions on triplets never seen before, each of
// which is committed, and on passed ones, which write nothing. b.N counts
// single updates, whatever the number of goroutines.
func Bench(b *testing.B, open func(b *testing.B) greylist.Store) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("new/callers=%d", callers), func(b *testing.B) {
			s := open(b)
			var n atomic.Int64
			runCallers(b, callers, func() error {
				return Update(b.Context(), s, Numbered(n.Add(1)), judgeAt(1_000_000))
			})
		})
	}
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("known/callers=%d", callers), func(b *testing.B) {
			const known = 10_000
			s := open(b)
			var wg sync.WaitGroup
			for i := range int64(known) {
				wg.Go(func() {
					err := Update(b.Context(), s, Numbered(i), func(*greylist.Entry) (greylist.Entry, bool) {
						return greylist.Entry{FirstSeen: 1, LastSeen: 1_000_000, PassedAt: 1_000_000, Accepted: 1}, true
					})
					if err != nil {
						b.Error(err)
					}
				})
			}
			wg.Wait()
			var n atomic.Int64
			runCallers(b, callers, func() error {
				return Update(b.Context(), s, Numbered(n.Add(7919)%known), judgeAt(1_000_001))
			})
		})
	}
}

func runCallers(b *testing.B, callers int, update func() error) {
	b.ReportAllocs()
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := update(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
}

// Numbered returns the n-th of many triplets.
func Numbered(n int64) greylist.Triplet {
	return greylist.Triplet{
		Client:    fmt.Sprintf("192.0.%d.%d", n>>8&255, n&255),
		Sender:    fmt.Sprintf("sender%d@example.com", n),
		Recipient: "recipient@example.org",
	}
}

// judgeAt is a change as the daemon makes it.
func judgeAt(now int64) Change {
	return func(e *greylist.Entry) (greylist.Entry, bool) {
		d := greylist.DefaultWindows.Decide(e, now)
		return d.Remember, !d.Keep
	}
}

// Remember is a change that remembers the entry.
func Remember(e greylist.Entry) Change {
	return func(*greylist.Entry) (greylist.Entry, bool) { return e, true }
}
