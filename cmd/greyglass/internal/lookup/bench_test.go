package lookup

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"greyglass/greylist/rules"
)

// A check whose answers are in the cache, as for the second message of a sender
// from a client; then from another client each time; then with macros, whose
// result is not kept.
func BenchmarkSPFWarm(b *testing.B) {
	_, r := serve(b, spfZone)
	r.cache = newCache(100_000)
	for _, c := range []struct{ name, client, sender string }{
		{"known", "209.85.128.%d", "shop@shop.example.org"},
		{"macros", "192.0.2.%d", "ann@user.example.org"},
	} {
		b.Run(c.name, func(b *testing.B) {
			client := addr(fmt.Sprintf(c.client, 1))
			r.SPF(b.Context(), client, "", c.sender)
			for b.Loop() {
				r.SPF(b.Context(), client, "", c.sender)
			}
		})
	}
	b.Run("another client", func(b *testing.B) {
		client := addr("209.85.128.1")
		for b.Loop() {
			if client = client.Next(); !netip.MustParsePrefix("209.85.128.0/17").Contains(client) {
				client = addr("209.85.128.1")
			}
			r.SPF(b.Context(), client, "", "shop@shop.example.org")
		}
	})
}

func BenchmarkListedWarm(b *testing.B) {
	_, r := serve(b, listZone)
	for _, zones := range [][]string{{"bl.example.net"}, {"bl.example.net", "wl.example.net", "xl.example.net"}} {
		b.Run(fmt.Sprintf("%d", len(zones)), func(b *testing.B) {
			r.Listed(b.Context(), addr("192.0.2.1"), zones...)
			for b.Loop() {
				r.Listed(b.Context(), addr("192.0.2.1"), zones...)
			}
		})
	}
}

// A question whose answer is not in the cache, with the test's own server.
func BenchmarkCold(b *testing.B) {
	s, _ := serve(b, "*.bl.example.net. A 127.0.0.2")
	r := resolver(b, Options{Servers: []string{s.Address()}, Timeout: 10 * time.Second})
	client := addr("198.18.0.1")
	for b.Loop() {
		client = client.Next()
		if got := r.Listed(b.Context(), client, "bl.example.net"); got.Status != rules.InList {
			b.Fatal(got)
		}
	}
}

func BenchmarkDynamic(b *testing.B) {
	client := addr("73.15.200.31")
	for b.Loop() {
		looksDynamic("smtp-out-7.mail.example.com", client)
	}
}
