package report

import (
	"math"

	"greyglass/greylist"
)

// Time is from a Unix second until before another.
type Time struct{ Since, Until int64 }

// Since is the time from a Unix second on.
func Since(unix int64) Time { return Time{unix, math.MaxInt64} }

// saw reports whether mail of a triplet came between the first and the last attempt that are
// remembered of it, in this time. Of some triplets none ever came: they were imported, passed
// by hand, or made by 'greyglass probe'.
func (t Time) saw(r greylist.Record) bool {
	return r.LastSeen >= t.Since && r.Attempted() < t.Until && r.Deferred+r.Accepted > 0
}
