package upkeep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/clock"
)

// bounded is a Store of which only Count, Trim and Expire are used. What is done
// to it is noted.
type bounded struct {
	expiry
	mu      sync.Mutex
	rows    int64
	expired int64 // of them
	waiting int64 // of the others
	beaten  bool  // another daemon has trimmed just before
	err     error
	done    []string
}

func (b *bounded) Count(context.Context) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rows, b.err
}

func (b *bounded) Trim(_ context.Context, left int64) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	excess := b.rows - left
	removed := min(excess, b.waiting)
	b.done = append(b.done, fmt.Sprintf("trim %d", excess))
	b.rows -= removed
	b.waiting -= removed
	if b.beaten {
		return 0, nil
	}
	return removed, nil
}

func (b *bounded) Expire(context.Context, greylist.Cutoffs, int64) (removed int, next int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = append(b.done, "sweep")
	removed = int(b.expired)
	b.rows -= b.expired
	b.expired = 0
	return removed, 0, nil
}

// TestMakeRoom: what is done at each look, while the number of entries stays as
// it is but for that.
func TestMakeRoom(t *testing.T) {
	for _, c := range []struct {
		name                   string
		max                    int64
		rows, expired, waiting int64
		want                   []string
		logged                 []string
	}{
		{name: "no limit", rows: 5000, expired: 5000},
		{name: "far below", max: 1000, rows: 899, expired: 500},
		{name: "near", max: 1000, rows: 900, waiting: 900, logged: []string{"nearly reached"}},
		{name: "at it", max: 1000, rows: 1000, waiting: 1000, logged: []string{"nearly reached"}},
		{name: "above", max: 1000, rows: 1040, expired: 10, waiting: 500,
			want: []string{"trim 60"}, logged: []string{"nearly reached", "removed the newest"}},
		{name: "all have passed", max: 1000, rows: 1040,
			want: []string{"trim 60", "trim 60", "trim 60"}, logged: []string{"nearly reached", "nearly all triplets have passed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := &bounded{rows: c.rows, expired: c.expired, waiting: c.waiting}
			s, log := newSweeper(&store.expiry)
			s.Store = store
			s.MaxRows = func() int64 { return c.max }
			for range 3 {
				if err := s.MakeRoom(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if !slices.Equal(store.done, c.want) {
				t.Errorf("%v, want %v", store.done, c.want)
			}
			lines := slices.Collect(strings.Lines(log.String()))
			if len(lines) != len(c.logged) {
				t.Fatalf("log: %s", log)
			}
			for i, want := range c.logged {
				if !strings.Contains(lines[i], want) {
					t.Errorf("line %d of the log: %swant %q", i+1, lines[i], want)
				}
			}
		})
	}
}

// TestMakeRoomAgain: once there is room again, the next time is as the first.
func TestMakeRoomAgain(t *testing.T) {
	store := &bounded{}
	s, log := newSweeper(&store.expiry)
	s.Store = store
	s.MaxRows = func() int64 { return 1000 }
	for range 2 {
		for _, rows := range []int64{950, 100} {
			store.rows = rows
			if err := s.MakeRoom(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	if n := strings.Count(log.String(), "nearly reached"); n != 2 || len(store.done) != 0 {
		t.Errorf("%d warnings, %v", n, store.done)
	}
	store.err = errors.New("no disk")
	if err := s.MakeRoom(t.Context()); !errors.Is(err, store.err) {
		t.Errorf("%v, want that there is no disk", err)
	}
}

// TestMakeRoomBeaten: what another daemon has done is not told of as if nothing
// could be.
func TestMakeRoomBeaten(t *testing.T) {
	store := &bounded{rows: 1051, waiting: 500, beaten: true}
	s, log := newSweeper(&store.expiry)
	s.Store = store
	s.MaxRows = func() int64 { return 1000 }
	if err := s.MakeRoom(t.Context()); err != nil || !slices.Equal(store.done, []string{"trim 71"}) {
		t.Errorf("%v, %v", store.done, err)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), "nearly reached") {
		t.Errorf("log: %s", log)
	}
}

// TestNearLimitExpires: near the limit a sweep begins at once, and not after Every; but
// not with a clock that may be wrong.
func TestNearLimitExpires(t *testing.T) {
	for _, stepped := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store := &bounded{rows: 950, expired: 60}
			s, _ := newSweeper(&store.expiry)
			s.Store = store
			s.MaxRows = func() int64 { return 1000 }
			wall := time.Unix(10_000, 0)
			s.Clock = clock.NewOf(func() (time.Time, time.Duration) { return wall, time.Second }, s.Log)
			var want []string
			if stepped {
				wall = wall.Add(time.Hour)
			} else {
				want = []string{"sweep"}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			s.Run(ctx)
			if !slices.Equal(store.done, want) {
				t.Errorf("stepped %v: %v, want %v", stepped, store.done, want)
			}
		})
	}
}
