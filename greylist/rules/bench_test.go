package rules

import (
	"fmt"
	"testing"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

// BenchmarkAsk asks rules of which each list has so many entries about an
// attempt that none of them matches, which is asked of every rule, and about a
// client that is allowed.
func BenchmarkAsk(b *testing.B) {
	for _, entries := range []int{10, 1_000, 100_000} {
		set := Config{
			AcceptLoopback: true,
			BlockedVerdict: greylist.Defer,
			AllowedDomains: []string{"example.org"},
			ForeignVerdict: greylist.Defer,
		}
		var blocked []string
		for i := range entries {
			network := fmt.Sprintf("10.%d.%d.%d/31", i>>15&255, i>>7&255, i<<1&255)
			set.AllowedSenderNets = append(set.AllowedSenderNets, network)
			set.WhitelistedTriples = append(set.WhitelistedTriples, []string{network, "*", "*"})
			set.WhitelistedNonstandardTriples = append(set.WhitelistedNonstandardTriples, []string{"mx.example.com", network, "*"})
			for _, pattern := range []string{"user%d@example.com", "@blocked%d.example", "@*.blocked%d.example"} {
				blocked = append(blocked, fmt.Sprintf(pattern, i))
			}
		}
		set.Blocked = mustPatterns(b, address.Senders, blocked...)
		rules := mustCompile(b, set)
		for name, client := range map[string]string{"greylist": "192.0.2.7", "allowed": "10.0.0.9"} {
			b.Run(fmt.Sprintf("%s/%d", name, entries), func(b *testing.B) {
				a := greylist.Attempt{Client: greylist.ParseClient(client), Helo: "mx.example.com", Sender: "jane@mx.example.com", Recipient: "john@example.org"}
				if ruling, _ := rules.Ask(b.Context(), NewFacts(&a, nil), nil); (ruling != nil) != (name == "allowed") {
					b.Fatal("not the rule that is to be measured")
				}
				b.ReportAllocs()
				for b.Loop() {
					_, _ = rules.Ask(b.Context(), NewFacts(&a, nil), nil)
				}
			})
		}
	}
}

// BenchmarkOrdered asks 1,000 ordered rules, of which none holds. They may cost 100 µs a
// recipient.
func BenchmarkOrdered(b *testing.B) {
	for name, when := range map[string]string{
		"recipient":   `recipient == "user%d@example.com"`,
		"client name": `client_name == "" && sender_domain == "example%d.com"`,
		"set":         `recipient in ["user%d@example.org", "b@example.org", "c@example.org"]`,
		"network":     `client_in("10.0.%d.0/24")`,
		"suffix":      `client_name endsWith ".dynamic%d.example"`,
	} {
		var set Config
		for i := range 1000 {
			set.Ordered = append(set.Ordered, Rule{Name: fmt.Sprint("r", i), When: fmt.Sprintf(when, i%200), Then: greylist.Accept})
		}
		rules := mustCompile(b, set)
		b.Run(name, func(b *testing.B) {
			a := greylist.Attempt{Client: greylist.ParseClient("192.0.2.7"), ClientName: "mx.example.net", Helo: "mx.example.com", Sender: "jane@mx.example.com", Recipient: "john@example.org"}
			for b.Loop() {
				if ruling, _ := rules.Ask(b.Context(), NewFacts(&a, nil), nil); ruling != nil {
					b.Fatal(ruling)
				}
			}
		})
	}
}
