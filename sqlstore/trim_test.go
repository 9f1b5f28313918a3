package sqlstore

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"greyglass/greylist"
)

func TestNetworkOf(t *testing.T) {
	for client, want := range map[string]string{
		"192.0.2.7":           "192.0.2.0/24",
		"192.0.2.0/28":        "192.0.2.0/24",
		"2001:db8:1:2::/64":   "2001:db8:1::/48",
		"2001:db8:1:ffff::25": "2001:db8:1::/48",
		"nowhere":             netip.Prefix{}.String(),
	} {
		if got := networkOf(client).String(); got != want {
			t.Errorf("%s: %s, want %s", client, got, want)
		}
	}
}

// TestSurplus: rows are named by their network and their number, the oldest is 1.
func TestSurplus(t *testing.T) {
	for _, c := range []struct {
		name   string
		rows   string // in order of arrival
		excess int64
		want   string // in the order in which they go
	}{
		{"nothing", "", 5, ""},
		{"no excess", "aab", 0, ""},
		{"the newest of the one that has most", "abaaca", 2, "a6 a4"},
		{"never more than the excess", "aaaabbbb", 1, "b8"},
		{"cut down to the next, then both", "aaaabb", 3, "b6 a4 a3"},
		{"one each: the newest", "abcdef", 2, "f6 e5"},
		{"those of before a flood stay", "abcxxxxxdxxxx", 7, "x13 x12 x11 x10 x8 x7 x6"},
		{"all", "abca", 9, "a4 c3 b2 a1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var newest []waitingRow
			for i, name := range c.rows {
				addr := netip.AddrFrom4([4]byte{10, 0, byte(name), 0})
				newest = append(newest, waitingRow{key{byte(name), byte(i + 1)}, netip.PrefixFrom(addr, 24)})
			}
			slices.Reverse(newest)
			got := ""
			for i, k := range surplus(newest, c.excess) {
				if i > 0 {
					got += " "
				}
				got += fmt.Sprintf("%c%d", k[0], k[1])
			}
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestCount: the count is right after every kind of change.
func TestCount(t *testing.T) {
	s := openNew(t)
	check := func(what string, want int64) {
		t.Helper()
		if got, err := s.Count(t.Context()); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", what, got, err, want)
		}
	}
	fill(t, s, 10)
	check("at first", 10)
	fill(t, s, 15)
	check("five more", 15)
	if known, err := s.Forget(t.Context(), numbered(3)); err != nil || !known {
		t.Fatal(known, err)
	}
	check("one forgotten", 14)
	if removed, _, err := s.Expire(t.Context(), greylist.Cutoffs{WaitingBefore: 1 << 40, PassedBefore: 1 << 40}, 0); err != nil || removed != 14 {
		t.Fatal(removed, err)
	}
	check("all expired", 0)
}

// TestFlood: however many strangers knock, what is remembered stays bounded, and
// those who came before them, or have passed, stay.
func TestFlood(t *testing.T) { testFlood(t, openNew(t)) }

func testFlood(t *testing.T, s interface {
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
	sweeper := &greylist.Sweeper{
		Store:   s,
		Windows: func() greylist.Windows { return greylist.DefaultWindows },
		Log:     slog.New(slog.DiscardHandler),
		Clock:   greylist.NewClock(func() time.Time { return now }, slog.New(slog.DiscardHandler)),
	}
	sweeper.MaxRows = func() int64 { return most }
	waits := greylist.Entry{FirstSeen: now.Unix(), LastSeen: now.Unix(), Deferred: 1}
	known := greylist.Entry{FirstSeen: 1, LastSeen: 1, PassedAt: now.Unix()}
	knock := func(n int, client func(i int) string, sender string, e greylist.Entry) {
		t.Helper()
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				stranger := greylist.Triplet{Client: client(i), Sender: fmt.Sprintf("%s%d@example.net", sender, i), Recipient: "bob@example.org"}
				if err := s.Update(t.Context(), stranger, remember(e)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	knock(passed, func(i int) string { return fmt.Sprintf("198.51.100.%d", i%256) }, "known", known)
	knock(earlier, func(i int) string { return fmt.Sprintf("10.%d.%d.1", i>>8, i&255) }, "early", waits)
	for wave := range waves {
		knock(aWave, func(i int) string { return fmt.Sprintf("172.16.%d.%d", i%networks, i/networks%256) }, fmt.Sprintf("spam%d-", wave), waits)
		for range 2 { // a sweep, and then a trim
			if err := sweeper.MakeRoom(t.Context()); err != nil {
				t.Fatal(err)
			}
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
