package greylist

import "errors"

// Expectation is mail that is accepted while the time lasts. Recipient and sender name it:
// there is one at most for both. Times are Unix seconds.
type Expectation struct {
	Recipient string // folded
	Sender    string // a pattern, in the form of [address.Patterns.All]; "*" for any sender

	Since, Until int64 // it ends at Until
	Once         bool  // it holds for one recipient of one message
	UsedAt       int64 // when that came; zero: not yet
}

const (
	// MaxExpected is how many expectations a store holds at most: a daemon keeps them all
	// in memory, and reads them each second.
	MaxExpected = 1000

	// MaxExpectedFor is how long, in seconds, an expectation lasts at most. What lasts
	// longer is for the configuration.
	MaxExpectedFor = 7 * 24 * Hour
)

// ErrManyExpected: a store holds [MaxExpected] expectations.
var ErrManyExpected = errors.New("too much is expected")

// Open reports whether the expectation still holds.
func (e Expectation) Open(now int64) bool { return now < e.Until && e.UsedAt == 0 }
