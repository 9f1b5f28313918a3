package upkeep

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"greyglass/greylist"
)

// flooded is a store that many new triplets are added to, while a sweep of it takes
// long. Only what the row limit and expiry use is there.
type flooded struct {
	greylist.Store
	mu      sync.Mutex
	rate    float64 // rows added a second
	rows    float64
	most    float64 // that there were at one time
	last    time.Time
	counted error
}

// flow adds what was added since the last look, and removes so many.
func (f *flooded) flow(removed float64) (rows float64, counted error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.rows += f.rate * now.Sub(f.last).Seconds()
	f.last, f.most = now, max(f.most, f.rows)
	f.rows -= removed
	return f.rows, f.counted
}

func (f *flooded) change(err error, rate float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counted, f.rate = err, rate
}

func (f *flooded) Count(context.Context) (int64, error) {
	rows, err := f.flow(0)
	return int64(rows), err
}

// Trim takes a tenth of a second to look, and then 8 ms for each batch of 200 rows.
func (f *flooded) Trim(_ context.Context, left int64) (removed int64, err error) {
	rows, _ := f.flow(0)
	excess := int64(rows) - left
	time.Sleep(100 * time.Millisecond)
	for ; removed < excess; removed += 200 {
		time.Sleep(8 * time.Millisecond)
		f.flow(200)
	}
	return removed, nil
}

// ExpireClients finds nothing.
func (f *flooded) ExpireClients(context.Context, int64) (int, error) { return 0, nil }

// ExpireExpected finds nothing.
func (f *flooded) ExpireExpected(context.Context, int64) (int, error) { return 0, nil }

// ExpireCorrespondents finds nothing.
func (f *flooded) ExpireCorrespondents(context.Context, int64) (int, error) { return 0, nil }

// Expire finds nothing, in batches of which there are more the more rows there are.
func (f *flooded) Expire(_ context.Context, _ greylist.Cutoffs, cursor int64) (removed int, next int64, err error) {
	rows, _ := f.flow(0)
	if next = cursor + 200; float64(next) >= rows {
		next = 0
	}
	return 0, next, nil
}

// TestRowLimitHoldsUnderFlood: new triplets that come faster than a sweep goes do not
// drive the rows more than a tenth above the limit.
func TestRowLimitHoldsUnderFlood(t *testing.T) {
	for _, rate := range []float64{1_000, 9_000, 15_000} {
		synctest.Test(t, func(t *testing.T) {
			store := &flooded{rate: rate, last: time.Now()}
			s, _ := newSweeper(nil)
			s.Store = store
			s.MaxRows = func() int64 { return 50_000 }
			s.Every, s.Pause = 10*time.Minute, 50*time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			s.Run(ctx)
			if store.most > 55_000 || store.rows < 45_000 {
				t.Errorf("%.0f new triplets a second: up to %.0f rows, at the end %.0f; want 50000", rate, store.most, store.rows)
			}
		})
	}
}

// TestRowLimitFailure: a failed count is tried again within moments, and the log is
// told of it only where there are so many rows that it matters.
func TestRowLimitFailure(t *testing.T) {
	for _, c := range []struct {
		name   string
		rows   float64
		logged int
	}{
		{"far below", 10_000, 0},
		{"near", 48_000, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			store := &flooded{rows: c.rows, last: time.Now()}
			s, log := newSweeper(nil)
			s.Store = store
			s.MaxRows = func() int64 { return 50_000 }
			s.Every = 10 * time.Minute
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			go func() {
				time.Sleep(2 * time.Second)
				store.change(errors.New("the server restarts"), 9_000)
				time.Sleep(3 * time.Second)
				store.change(nil, 9_000)
			}()
			s.Run(ctx)
			if store.rows > 55_000 {
				t.Errorf("%s: at the end %.0f rows", c.name, store.rows)
			}
			if n := strings.Count(log.String(), "the server restarts"); n != c.logged {
				t.Errorf("%s: logged %d times, want %d:\n%s", c.name, n, c.logged, log)
			}
		})
	}
}
