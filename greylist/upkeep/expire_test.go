package upkeep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/clock"
)

// expiry is a Store of which only what expires is used. It answers with one
// batch after the other; Expire restarts after the last.
type expiry struct {
	greylist.Store
	batches        []batch
	clients        []batch
	correspondents []batch
	asked          []string // cutoffs and cursors it was asked with
	then           func()   // called after each batch
}

type batch struct {
	removed int
	err     error
}

func (e *expiry) Expire(_ context.Context, c greylist.Cutoffs, cursor int64) (removed int, next int64, err error) {
	e.asked = append(e.asked, fmt.Sprintf("%d %d at %d", c.WaitingBefore, c.PassedBefore, cursor))
	if e.then != nil {
		defer e.then()
	}
	b := e.batches[cursor]
	next = cursor + 1
	if next == int64(len(e.batches)) {
		next = 0
	}
	return b.removed, next, b.err
}

func (e *expiry) ExpireClients(_ context.Context, before int64) (removed int, err error) {
	return e.answer(&e.clients, fmt.Sprintf("clients before %d", before))
}

func (e *expiry) ExpireCorrespondents(_ context.Context, before int64) (removed int, err error) {
	return e.answer(&e.correspondents, fmt.Sprintf("correspondents before %d", before))
}

// answer answers with the next batch; nothing is asked once there is none.
func (e *expiry) answer(batches *[]batch, asked string) (removed int, err error) {
	if len(*batches) == 0 {
		return 0, nil
	}
	e.asked = append(e.asked, asked)
	b := (*batches)[0]
	*batches = (*batches)[1:]
	return b.removed, b.err
}

// ExpireExpected finds nothing.
func (e *expiry) ExpireExpected(context.Context, int64) (int, error) { return 0, nil }

// newSweeper sweeps every minute, a batch a second.
func newSweeper(e *expiry) (*Expirer, *bytes.Buffer) {
	var log bytes.Buffer
	return &Expirer{
		Store:   e,
		Windows: func() greylist.Windows { return greylist.Windows{MaxDeferTime: 10, MaxGrey: 1000} },
		Keep:    func() int64 { return 300 },
		Log:     slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: withoutTime})),
		Clock:   clock.New(func() time.Time { return time.Unix(10_000, 0) }, slog.New(slog.DiscardHandler)),
		Every:   time.Minute,
		Pause:   time.Second,
	}, &log
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

func TestSweep(t *testing.T) {
	broken := errors.New("disk full")
	for _, c := range []struct {
		name    string
		batches []batch
		removed int
		err     error
		asked   int
		pauses  time.Duration
	}{
		{"an empty store", []batch{{}}, 0, nil, 1, 0},
		{"one batch", []batch{{removed: 3}}, 3, nil, 1, 0},
		{"some batches, with a pause between two", []batch{{removed: 3}, {}, {removed: 4}}, 7, nil, 3, 2 * time.Second},
		{"an error ends it", []batch{{removed: 3}, {removed: 1, err: broken}, {removed: 4}}, 4, broken, 2, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &expiry{batches: c.batches}
				sweeper, _ := newSweeper(store)
				began := time.Now()
				removed, err := sweeper.Sweep(t.Context())
				if removed != c.removed || !errors.Is(err, c.err) || time.Since(began) != c.pauses {
					t.Errorf("removed %d, %v after %s; want %d, %v after %s", removed, err, time.Since(began), c.removed, c.err, c.pauses)
				}
				var want []string
				for cursor := range c.asked {
					want = append(want, fmt.Sprintf("9980 8000 at %d", cursor))
				}
				if !slices.Equal(store.asked, want) {
					t.Errorf("asked %q, want %q", store.asked, want)
				}
			})
		})
	}
}

// TestSweepClients: after the triplets, expired clients go, until there is none.
func TestSweepClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("disk full")
		store := &expiry{batches: []batch{{removed: 3}}, clients: []batch{{removed: 4}, {removed: 5}, {removed: 6, err: broken}}}
		sweeper, _ := newSweeper(store)
		removed, err := sweeper.Sweep(t.Context())
		want := []string{"9980 8000 at 0", "clients before 8000", "clients before 8000", "clients before 8000"}
		if removed != 18 || !errors.Is(err, broken) || !slices.Equal(store.asked, want) {
			t.Errorf("removed %d, %v, asked %q; want %q", removed, err, store.asked, want)
		}
	})
}

// TestSweepCorrespondents: after the clients, correspondents go that are older than they
// are kept.
func TestSweepCorrespondents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &expiry{batches: []batch{{removed: 3}}, clients: []batch{{removed: 4}}, correspondents: []batch{{removed: 5}, {removed: 6}}}
		sweeper, _ := newSweeper(store)
		removed, err := sweeper.Sweep(t.Context())
		want := []string{"9980 8000 at 0", "clients before 8000", "correspondents before 9700", "correspondents before 9700"}
		if removed != 18 || err != nil || !slices.Equal(store.asked, want) {
			t.Errorf("removed %d, %v, asked %q; want %q", removed, err, store.asked, want)
		}
	})
}

// yearbook is a Store without entries, and a history that is removed in parts.
type yearbook struct {
	expiry
	parts  []int
	before []int64 // it was asked with
}

func (y *yearbook) ExpireHistory(_ context.Context, before int64) (removed int, err error) {
	y.before = append(y.before, before)
	if len(y.parts) == 0 {
		return 0, nil
	}
	removed, y.parts = y.parts[0], y.parts[1:]
	if removed < 0 {
		return 0, errors.New("disk full")
	}
	return removed, nil
}

// TestSweepHistory: after the entries, old history goes, until there is none.
func TestSweepHistory(t *testing.T) {
	for _, c := range []struct {
		name   string
		parts  []int
		asked  int
		fails  bool
		pauses time.Duration
	}{
		{"nothing is old", nil, 1, false, 0},
		{"some parts, with a pause after each", []int{3, 2}, 3, false, 2 * time.Second},
		{"an error ends it", []int{3, -1, 2}, 2, true, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &yearbook{expiry: expiry{batches: []batch{{removed: 7}}}, parts: c.parts}
				sweeper, _ := newSweeper(&store.expiry)
				sweeper.Store, sweeper.History = store, func() time.Duration { return 100 * time.Second }
				began := time.Now()
				removed, err := sweeper.Sweep(t.Context())
				if removed != 7 || (err != nil) != c.fails || time.Since(began) != c.pauses {
					t.Errorf("removed %d, %v after %s", removed, err, time.Since(began))
				}
				if want := slices.Repeat([]int64{9900}, c.asked); !slices.Equal(store.before, want) {
					t.Errorf("asked with %v, want %v", store.before, want)
				}
			})
		})
	}
}

// TestSweepFollowsTheWindows: a reload in the middle of a sweep holds from the
// next batch on, and so does the clock.
func TestSweepFollowsTheWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &expiry{batches: make([]batch, 2)}
		sweeper, _ := newSweeper(store)
		windows, now := greylist.Windows{MaxDeferTime: 10, MaxGrey: 1000}, int64(10_000)
		sweeper.Windows = func() greylist.Windows { return windows }
		sweeper.Clock = clock.New(func() time.Time { return time.Unix(now, 0) }, slog.New(slog.DiscardHandler))
		store.then = func() { windows, now = greylist.Windows{MaxDeferTime: 20, MaxGrey: 2000}, 10_001 }
		if _, err := sweeper.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := []string{"9980 8000 at 0", "9961 6001 at 1"}; !slices.Equal(store.asked, want) {
			t.Errorf("asked %q, want %q", store.asked, want)
		}
	})
}

func TestSweepEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		store := &expiry{batches: []batch{{removed: 3}, {removed: 4}}, then: cancel}
		sweeper, _ := newSweeper(store)
		sweeper.Pause = time.Hour
		began := time.Now()
		removed, err := sweeper.Sweep(ctx)
		if removed != 3 || !errors.Is(err, context.Canceled) || time.Since(began) != 0 {
			t.Errorf("removed %d, %v after %s", removed, err, time.Since(began))
		}
	})
}

// TestRun: it sweeps again and again, tells what it did, and outlives errors.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		store := &expiry{batches: []batch{{removed: 2}, {removed: 1}}}
		sweeper, log := newSweeper(store)
		began := time.Now()
		var at []time.Duration
		store.then = func() {
			at = append(at, time.Since(began))
			switch len(at) {
			case 2:
				store.batches = []batch{{err: errors.New("disk full")}}
			case 3:
				store.batches = []batch{{}}
			case 5:
				cancel()
			}
		}
		sweeper.Run(ctx)

		if want := []time.Duration{60 * time.Second, 61 * time.Second, 121 * time.Second, 122 * time.Second, 182 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("swept at %s, want %s", at, want)
		}
		want := []string{
			`level=INFO msg="expired entries removed" count=3`,
			`level=WARN msg="expiry failed; trying again soon" error="disk full"`,
			"",
		}
		if got := strings.Split(log.String(), "\n"); !slices.Equal(got, want) {
			t.Errorf("logged %q, want %q", got, want)
		}
	})
}

// TestRunEndsQuietly: the end of the daemon is no failure of its expiry.
func TestRunEndsQuietly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		store := &expiry{batches: []batch{{err: context.Canceled}}, then: cancel}
		sweeper, log := newSweeper(store)
		sweeper.Run(ctx)
		if log.Len() != 0 || len(store.asked) != 1 {
			t.Errorf("asked %q, logged %q", store.asked, log)
		}
	})
}

// TestSweepPauses: after a step of the clock nothing expires for as long as a
// unknown triplet may wait.
func TestSweepPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &expiry{batches: make([]batch, 1)}
		sweeper, _ := newSweeper(store)
		sweeper.Every = 10 * time.Second
		sweeper.Windows = func() greylist.Windows { return greylist.Windows{MaxDeferTime: 100, MaxGrey: 1000} }
		start, step := time.Now(), time.Duration(0)
		sweeper.Clock = clock.NewOf(func() (time.Time, time.Duration) {
			return time.Now().Add(step), time.Since(start)
		}, slog.New(slog.DiscardHandler))
		step = 10 * 365 * 24 * time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), 95*time.Second)
		defer cancel()
		sweeper.Run(ctx)
		if len(store.asked) != 0 {
			t.Errorf("swept while the clock may be wrong: %q", store.asked)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		sweeper.Run(ctx)
		if len(store.asked) == 0 {
			t.Error("never swept again")
		}
	})
}
