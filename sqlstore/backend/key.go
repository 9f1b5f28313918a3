package backend

import (
	"crypto/sha256"

	"greyglass/greylist"
)

// Key is the key of a triplet in the table: a hash, so that it has one size and no
// sender can choose where its rows go.
type Key [16]byte

// KeyOf returns the first half of the SHA-256 of the triplet's fields, joined by NUL,
// which no field can contain. Databases contain these keys, so it never changes.
func KeyOf(t greylist.Triplet) Key {
	var space [512]byte // enough for most triplets, so that nothing is allocated
	b := append(space[:0], t.Client...)
	b = append(b, 0)
	b = append(b, t.Sender...)
	b = append(b, 0)
	b = append(b, t.Recipient...)
	sum := sha256.Sum256(b)
	return Key(sum[:len(Key{})])
}
