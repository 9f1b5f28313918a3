package greylist

import (
	"slices"
	"testing"
)

func TestHistogram(t *testing.T) {
	h := NewHistogram(10, 20)
	for _, v := range []int64{0, 10, 11, 20, 21, 1000} {
		h.Observe(v)
	}
	got := h.Read()
	if !slices.Equal(got.Bounds, []int64{10, 20}) || !slices.Equal(got.Counts, []int64{2, 2, 2}) || got.Sum != 1062 {
		t.Errorf("%+v", got)
	}
}
