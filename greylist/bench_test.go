package greylist

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"
)

func BenchmarkDecide(b *testing.B) {
	const now = 10_000_000
	for _, c := range []struct {
		name       string
		remembered *Entry
	}{
		{"unseen", nil},
		{"waiting", &Entry{FirstSeen: now - 1000}},
		{"passed", &Entry{FirstSeen: now - 9000, PassedAt: now - 1000}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				DefaultWindows.Decide(c.remembered, now)
			}
		})
	}
}

// BenchmarkAsk asks rules of which each list has so many entries about an
// attempt that none of them matches, which is asked of every rule, and about a
// client that is allowed.
func BenchmarkAsk(b *testing.B) {
	for _, entries := range []int{10, 1_000, 100_000} {
		set := RuleSet{
			AcceptLoopback: true,
			BlockedVerdict: Defer,
			AllowedDomains: []string{"example.org"},
			ForeignVerdict: Defer,
		}
		for i := range entries {
			network := fmt.Sprintf("10.%d.%d.%d/31", i>>15&255, i>>7&255, i<<1&255)
			set.AllowedSenderNets = append(set.AllowedSenderNets, network)
			set.WhitelistedTriples = append(set.WhitelistedTriples, []string{network, "*", "*"})
			set.WhitelistedNonstandardTriples = append(set.WhitelistedNonstandardTriples, []string{"mx.example.com", network, "*"})
			for _, pattern := range []string{"user%d@example.com", "@blocked%d.example", "@*.blocked%d.example"} {
				if err := set.Blocked.add(fmt.Sprintf(pattern, i), Senders); err != nil {
					b.Fatal(err)
				}
			}
		}
		rules := mustCompile(b, set)
		for name, client := range map[string]string{"greylist": "192.0.2.7", "allowed": "10.0.0.9"} {
			b.Run(fmt.Sprintf("%s/%d", name, entries), func(b *testing.B) {
				a := Attempt{Client: ParseClient(client), Helo: "mx.example.com", Sender: "jane@mx.example.com", Recipient: "john@example.org"}
				if _, ok := rules.Ask(&a, nil); ok != (name == "allowed") {
					b.Fatal("not the rule that is to be measured")
				}
				b.ReportAllocs()
				for b.Loop() {
					rules.Ask(&a, nil)
				}
			})
		}
	}
}

func BenchmarkFoldAddress(b *testing.B) {
	for name, address := range map[string]string{
		"plain":     "john.smith@example.org",
		"brackets":  "<john.smith@example.org>",
		"uppercase": "<John.Smith@Example.ORG>",
		"quoted":    `"John Smith"@example.org`,
		"utf8":      "Jürgen@Müller.example",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				FoldAddress(address)
			}
		})
	}
}

// BenchmarkRecipient is the most frequent answer of a server: to a triplet that has
// passed, with the decision log.
func BenchmarkRecipient(b *testing.B) {
	for name, log := range map[string]*slog.Logger{
		"logged": slog.New(slog.NewTextHandler(io.Discard, nil)),
		"silent": slog.New(slog.DiscardHandler),
	} {
		b.Run(name, func(b *testing.B) {
			now := time.Now()
			m := &memory{entries: map[Triplet]Entry{
				{"192.0.2.7", "jane@example.com", "john@example.org"}: {FirstSeen: 1, LastSeen: now.Unix(), PassedAt: now.Unix()},
			}}
			j := NewJudge(m, newPolicy(b), log, NewClock(func() time.Time { return now }, log))
			b.ReportAllocs()
			for b.Loop() {
				if got, _ := j.Recipient(context.Background(), stranger); got.Reason != ReasonAlreadyGrey {
					b.Fatal(got.Reason)
				}
			}
		})
	}
}
