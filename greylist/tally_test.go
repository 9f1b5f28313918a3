package greylist

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
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

// TestTally: every answer is counted once, and of those who came back, when
// their wait began and how long it was.
func TestTally(t *testing.T) {
	c := newCourt(newPolicy(t))
	policy, allowed := stranger, stranger
	policy.Via = "policy"
	policy.Recipient = "jane@example.org"
	allowed.Client = ParseClient("198.51.100.7")
	began := c.clock
	for _, a := range []Attempt{stranger, stranger, policy, allowed} {
		c.Recipient(t.Context(), a)
	}
	c.clock += 4000
	c.Recipient(t.Context(), stranger)
	c.Recipient(t.Context(), stranger)
	c.clock += 1000
	c.Recipient(t.Context(), policy)
	bounce := stranger
	bounce.Sender = ""
	if _, judged := c.Recipient(t.Context(), bounce); judged {
		t.Error("a bounce is judged at RCPT")
	}
	c.Message(t.Context(), []Attempt{bounce})

	tally := c.Tally()
	want := map[Kind]int64{
		{"milter", Defer, ReasonNotSeenBefore}:  2,
		{"milter", Defer, ReasonWayTooSoon}:     1,
		{"policy", Defer, ReasonNotSeenBefore}:  1,
		{"milter", Accept, ReasonAllowedClient}: 1,
		{"milter", Accept, ReasonNowGrey}:       1,
		{"milter", Accept, ReasonAlreadyGrey}:   1,
		{"policy", Accept, ReasonNowGrey}:       1,
	}
	if got := tally.Answers(); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	if n := sum(tally.Took().Counts); n != 8 {
		t.Errorf("%d times to answer", n)
	}
	if d := tally.Delay(); sum(d.Counts) != 2 || d.Sum != 9000 {
		t.Errorf("delays: %+v", d)
	}
	returned := make(map[Returned]int64)
	tally.takeReturned(returned)
	tally.takeReturned(returned) // of which nothing is left
	hour := HourOf(began)
	if want := map[Returned]int64{{Hour: hour, Within: 4200}: 1, {Hour: hour, Within: 5400}: 1}; !maps.Equal(returned, want) {
		t.Errorf("returned %v, want %v", returned, want)
	}
}

// TestTallyObserves: whoever was not made to wait does not come back.
func TestTallyObserves(t *testing.T) {
	p := newPolicy(t)
	p.Observe = true
	c := newCourt(p)
	c.Recipient(t.Context(), stranger)
	c.clock += 4000
	c.Recipient(t.Context(), stranger)
	want := map[Kind]int64{{"milter", Accept, ReasonNotSeenBefore}: 1, {"milter", Accept, ReasonNowGrey}: 1}
	if got := c.Tally().Answers(); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	if d := c.Tally().Delay(); sum(d.Counts) != 0 {
		t.Errorf("delays: %+v", d)
	}
}

// TestTallyAtOnce: nothing is lost of what is counted at the same time, also of
// kinds that are new.
func TestTallyAtOnce(t *testing.T) {
	const callers, each = 8, 1000
	tally := newTally()
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for i := range each {
				tally.answer(Kind{Via: "milter", Reason: Reason(string(rune('a' + i%20)))}, time.Microsecond)
			}
		})
	}
	all.Wait()
	got := tally.Answers()
	if n := sum(slices.Collect(maps.Values(got))); len(got) != 20 || n != callers*each {
		t.Errorf("%d kinds, %d answers", len(got), n)
	}
}

func TestTallyAllocatesNothing(t *testing.T) {
	tally := newTally()
	k := Kind{"milter", Defer, ReasonTooSoon}
	if n := testing.AllocsPerRun(100, func() { tally.answer(k, time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations an answer", n)
	}
}

func sum(counts []int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}
