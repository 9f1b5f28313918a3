package address

import (
	"testing"
)

func BenchmarkFold(b *testing.B) {
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
				Fold(address)
			}
		})
	}
}
