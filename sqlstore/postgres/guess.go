package postgres

import "sync/atomic"

// share is a moving average of the last hundred or so, in parts of allParts.
type share struct{ parts atomic.Int32 }

const (
	allParts    = 1 << 16
	shareMemory = 64
)

func (s *share) note(yes bool) {
	var now int32
	if yes {
		now = allParts
	}
	before := s.parts.Load()
	s.parts.Store(before + (now-before)/shareMemory)
}

// most reports whether it is more than half.
func (s *share) most() bool { return s.parts.Load() > allParts/2 }
