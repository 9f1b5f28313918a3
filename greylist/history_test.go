package greylist

import (
	"slices"
	"testing"
)

func TestHourOf(t *testing.T) {
	for _, c := range []struct{ unix, hour int64 }{
		{0, 0}, {3599, 0}, {3600, 3600}, {1_700_000_000, 1_699_999_200}, {-1, -3600},
	} {
		if got := HourOf(c.unix); got != c.hour {
			t.Errorf("HourOf(%d) = %d, want %d", c.unix, got, c.hour)
		}
	}
}

func TestDelays(t *testing.T) {
	if !slices.IsSorted(Delays) {
		t.Error("not in order")
	}
	for _, c := range []struct{ waited, within int64 }{
		{0, 5}, {5, 5}, {6, 10}, {3600, 3600}, {3601, 3900}, {3_153_600_000, 4_000_000_000}, {1 << 60, 4_000_000_000},
	} {
		if got := Delays[DelayWithin(c.waited)]; got != c.within {
			t.Errorf("%d is within %d, want %d", c.waited, got, c.within)
		}
	}
}
