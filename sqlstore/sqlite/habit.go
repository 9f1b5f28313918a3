package sqlite

import "sync/atomic"

// habit is what updates have come to of late, by which it is guessed what the
// next will: a wrong guess costs a look more, and changes nothing.
type habit struct {
	unseen share // nothing was remembered of the triplet
	kept   share // nothing was to be written
}

// note takes in an update. The counts of updates that end at the same time may
// overwrite one another.
func (h *habit) note(unseen, kept bool) {
	h.unseen.note(unseen)
	h.kept.note(kept)
}

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
