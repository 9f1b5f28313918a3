package greylist

import "sync/atomic"

// Histogram counts values by their size, without locks.
type Histogram struct {
	bounds []int64
	counts []atomic.Int64 // of the values up to each bound, and of all beyond the last
	sum    atomic.Int64
}

// NewHistogram makes a histogram whose bounds are given in rising order. A value
// that equals a bound belongs to those below it.
func NewHistogram(bounds ...int64) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]atomic.Int64, len(bounds)+1)}
}

// Observe counts a value.
func (h *Histogram) Observe(v int64) {
	i := 0
	for i < len(h.bounds) && v > h.bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(v)
}

// Distribution is what a [Histogram] has counted.
type Distribution struct {
	Bounds []int64
	Counts []int64 // of the values up to each bound and beyond the one before it, and of all beyond the last
	Sum    int64   // of the values
}

// Read returns the counts so far. It is not atomic: a concurrent [Histogram.Observe]
// may show in Counts and not yet in Sum.
func (h *Histogram) Read() Distribution {
	d := Distribution{Bounds: h.bounds, Counts: make([]int64, len(h.counts)), Sum: h.sum.Load()}
	for i := range h.counts {
		d.Counts[i] = h.counts[i].Load()
	}
	return d
}
