package greylist

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"greyglass/greylist/problem"
)

// codeOctets is how many octets of a hash make a code: among a million triplets, the
// chance that another has the same one is one in a million.
const codeOctets = 5

// Code is a short name of the triplet, such as "ABCD-EFGH", which people can read out.
// It stays the same for as long as the triplet does.
func (t Triplet) Code() string {
	sum := sha256.Sum256([]byte(t.Client + "\x00" + t.Sender + "\x00" + t.Recipient))
	code := base32.StdEncoding.EncodeToString(sum[:codeOctets])
	return code[:4] + "-" + code[4:]
}

// ParseCode reads a code as people write it: in lower case too, and without the
// hyphen.
func ParseCode(s string) (string, error) {
	code := strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(s), "-", ""))
	if octets, err := base32.StdEncoding.DecodeString(code); err != nil || len(octets) != codeOctets {
		return "", problem.New("write it as in ABCD-EFGH, with letters and the digits 2 to 7", "%q is no code of a reply", s)
	}
	return code[:4] + "-" + code[4:], nil
}
