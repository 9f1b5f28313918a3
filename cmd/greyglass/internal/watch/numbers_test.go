package watch

import (
	"testing"
	"time"

	"greyglass/greylist"
)

// TestNumbersAddUp: what waits and what has passed are all triplets, also while the count of
// the metrics is older than that of the row limit.
func TestNumbersAddUp(t *testing.T) {
	number := func(n int64) *int64 { return &n }
	counted := time.Unix(1_700_000_000, 0)
	for _, c := range []struct {
		rows            *int64 // as the row limit counts them; nil: not counted
		at              time.Time
		waiting, passed int64 // at the last count of the metrics
		want            [3]*int64
	}{
		{nil, time.Time{}, 0, 0, [3]*int64{nil, nil, nil}},
		{number(7), time.Time{}, 0, 0, [3]*int64{number(7), nil, nil}},
		{nil, counted, 3, 2, [3]*int64{number(5), number(3), number(2)}},
		{number(9), counted, 3, 2, [3]*int64{number(9), number(7), number(2)}},
		{number(1), counted, 3, 2, [3]*int64{number(1), number(0), number(1)}},
	} {
		db := Database{Triplets: c.rows}
		db.split(greylist.Stats{Waiting: c.waiting, Passed: c.passed}, c.at)
		for i, got := range [3]*int64{db.Triplets, db.Waiting, db.Passed} {
			if want := c.want[i]; (got == nil) != (want == nil) || got != nil && *got != *want {
				t.Errorf("%+v: number %d is wrong in %+v", c, i, db)
			}
		}
	}
}
