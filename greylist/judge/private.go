package judge

import (
	"crypto/sha256"
	"encoding/hex"

	"greyglass/greylist/address"
)

// LogName is how the log names an address, a client or a HELO name: as it is, or, with
// PrivateLog, by the first 16 hexadecimal digits of its SHA-256 sum. Lines about one
// address still have the same name, and can be found by the address:
//
//	printf %s ann@example.net | sha256sum | cut -c1-16
func (p *Policy) LogName(s string) string {
	if !p.PrivateLog || s == "" || s == address.NullSender {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}
