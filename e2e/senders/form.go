package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// account is what a sender keeps in its envelope senders.
type account map[string]string

// accountOf draws the account of a domain that writes to a recipient.
func accountOf(rng *rand.Rand, domain, recipient string) account {
	return account{
		"dom":    domain,
		"rcpt":   strings.Replace(recipient, "@", "=", 1),
		"org":    strconv.Itoa(100 + skewed(newRand(0, domain), 8999, 1)),
		"person": "person" + strconv.Itoa(skewed(rng, 200, 2)),
		"far":    fmt.Sprintf("friend%d.example", skewed(rng, 400, 2)),
	}
}

// fill writes an envelope sender of a form: its words {…} that the account does not keep
// are drawn for each message, or stay as they are if rng is nil. {n5} is a number of 5
// digits, {hex8} has 8 digits.
func (a account) fill(form string, rng *rand.Rand) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(form, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		var word string
		word, form, _ = strings.Cut(rest, "}")
		if kept, ok := a[word]; ok {
			b.WriteString(kept)
			continue
		}
		if rng == nil {
			b.WriteString("{" + word + "}")
			continue
		}
		kind := strings.TrimRight(word, "0123456789")
		digits, _ := strconv.Atoi(word[len(kind):])
		alphabet := map[string]string{"n": "123456789", "hex": "0123456789abcdef", "b": "abcdefghijklmnopqrstuvwxyz234567"}[kind]
		for range max(digits, 1) {
			b.WriteByte(alphabet[rng.IntN(len(alphabet))])
		}
	}
}
