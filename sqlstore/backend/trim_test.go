package backend

import (
	"fmt"
	"slices"
	"testing"
)

func TestNetworkOf(t *testing.T) {
	for client, want := range map[string]string{
		"192.0.2.7":           "192.0.2.0/24",
		"192.0.2.0/28":        "192.0.2.0/24",
		"2001:db8:1:2::/64":   "2001:db8:1::/48",
		"2001:db8:1:ffff::25": "2001:db8:1::/48",
		"spf:example.net":     "spf:example.net",
	} {
		if got := networkOf(client); got != want {
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
			var newest []WaitingRow
			for i, name := range c.rows {
				newest = append(newest, WaitingRow{Key{byte(name), byte(i + 1)}, string(name)})
			}
			slices.Reverse(newest)
			got := ""
			for i, k := range Surplus(newest, c.excess) {
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
