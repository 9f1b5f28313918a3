package storetest

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/greylist/upkeep"
)

// Flood tests that however many new triplets arrive, what is remembered stays bounded, and
// those that were there before, or have passed, stay.
func Flood(t *testing.T, s interface {
	greylist.Store
	greylist.Bounded
}) {
	const (
		most     = 2_000
		earlier  = 300 // who came before the flood, each from another network
		passed   = 300
		waves    = 24 // of the flood
		aWave    = 500
		networks = 6 // that it comes from
	)
	now := time.Unix(1_000_000, 0)
	sweeper := &upkeep.Expirer{
		Store:   s,
		Windows: func() greylist.Windows { return greylist.DefaultWindows },
		Log:     slog.New(slog.DiscardHandler),
		Clock:   clock.New(func() time.Time { return now }, slog.New(slog.DiscardHandler)),
	}
	sweeper.MaxRows = func() int64 { return most }
	waits := greylist.Entry{FirstSeen: now.Unix(), LastSeen: now.Unix(), Deferred: 1}
	known := greylist.Entry{FirstSeen: 1, LastSeen: now.Unix(), PassedAt: now.Unix(), Accepted: 1}
	attempt := func(n int, client func(i int) string, sender string, e greylist.Entry) {
		t.Helper()
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				unknown := greylist.Triplet{Client: client(i), Sender: fmt.Sprintf("%s%d@example.net", sender, i), Recipient: "bob@example.org"}
				if err := Update(t.Context(), s, unknown, Remember(e)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	attempt(passed, func(i int) string { return fmt.Sprintf("198.51.100.%d", i%256) }, "known", known)
	attempt(earlier, func(i int) string { return fmt.Sprintf("10.%d.%d.1", i>>8, i&255) }, "early", waits)
	for wave := range waves {
		attempt(aWave, func(i int) string { return fmt.Sprintf("172.16.%d.%d", i%networks, i/networks%256) }, fmt.Sprintf("spam%d-", wave), waits)
		if err := sweeper.MakeRoom(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, err := s.Count(t.Context()); err != nil || n > most {
			t.Fatalf("%d rows, %v; want %d at most", n, err, most)
		}
	}
	kept := make(map[string]int)
	for r, err := range s.List(t.Context(), greylist.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		kept[r.Sender[:4]]++
	}
	if kept["know"] != passed || kept["earl"] != earlier || kept["spam"] == 0 {
		t.Errorf("%v are kept, want all %d that have passed, all %d from before the flood, and some of it", kept, passed, earlier)
	}
}
