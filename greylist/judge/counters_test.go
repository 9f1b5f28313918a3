package judge

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"greyglass/greylist"
)

// TestTally: every answer is counted once, and of those who came back, when
// their wait began and how long it was.
func TestCounters(t *testing.T) {
	c := newCourt(newPolicy(t))
	policy, allowed := unknownAttempt, unknownAttempt
	policy.Via = "policy"
	policy.Recipient = "jane@example.org"
	allowed.Client = greylist.ParseClient("198.51.100.7")
	began := c.clock
	for _, a := range []greylist.Attempt{unknownAttempt, unknownAttempt, policy, allowed} {
		c.Recipient(t.Context(), nil, a)
	}
	c.clock += 4000
	c.Recipient(t.Context(), nil, unknownAttempt)
	c.Recipient(t.Context(), nil, unknownAttempt)
	c.clock += 1000
	c.Recipient(t.Context(), nil, policy)
	bounce := unknownAttempt
	bounce.Sender = ""
	_, left := c.Recipient(t.Context(), nil, bounce)
	if left == nil {
		t.Fatal("a bounce is judged at RCPT")
	}
	c.Data(t.Context(), "", []*Pending{left})

	counters := c.Counters()
	want := map[Kind]int64{
		{"milter", greylist.Defer, greylist.ReasonNotSeenBefore}:  2,
		{"milter", greylist.Defer, greylist.ReasonWayTooSoon}:     1,
		{"policy", greylist.Defer, greylist.ReasonNotSeenBefore}:  1,
		{"milter", greylist.Accept, greylist.ReasonAllowedClient}: 1,
		{"milter", greylist.Accept, greylist.ReasonNowGrey}:       1,
		{"milter", greylist.Accept, greylist.ReasonAlreadyGrey}:   1,
		{"policy", greylist.Accept, greylist.ReasonNowGrey}:       1,
	}
	if got := counters.Answers(); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	if n := sum(counters.Took().Counts); n != 8 {
		t.Errorf("%d times to answer", n)
	}
	if d := counters.Delay(); sum(d.Counts) != 2 || d.Sum != 9000 {
		t.Errorf("delays: %+v", d)
	}
	returned := make(map[greylist.Returned]int64)
	counters.TakeReturned(returned)
	counters.TakeReturned(returned) // again: nothing is left
	hour := greylist.HourOf(began)
	if want := map[greylist.Returned]int64{{Hour: hour, Within: 4200}: 1, {Hour: hour, Within: 5400}: 1}; !maps.Equal(returned, want) {
		t.Errorf("returned %v, want %v", returned, want)
	}
}

// TestCountersObserve: in observe mode no triplet waits, so none comes back.
func TestCountersObserve(t *testing.T) {
	p := newPolicy(t)
	p.Observe = true
	c := newCourt(p)
	c.Recipient(t.Context(), nil, unknownAttempt)
	c.clock += 4000
	c.Recipient(t.Context(), nil, unknownAttempt)
	want := map[Kind]int64{{"milter", greylist.Accept, greylist.ReasonNotSeenBefore}: 1, {"milter", greylist.Accept, greylist.ReasonNowGrey}: 1}
	if got := c.Counters().Answers(); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	if d := c.Counters().Delay(); sum(d.Counts) != 0 {
		t.Errorf("delays: %+v", d)
	}
}

// TestTallyAtOnce: nothing is lost of what is counted at the same time, also of
// kinds that are new.
func TestCountersAtOnce(t *testing.T) {
	const callers, each = 8, 1000
	counters := NewCounters()
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for i := range each {
				counters.Answer(Kind{Via: "milter", Reason: greylist.Reason(string(rune('a' + i%20)))}, time.Microsecond)
			}
		})
	}
	all.Wait()
	got := counters.Answers()
	if n := sum(slices.Collect(maps.Values(got))); len(got) != 20 || n != callers*each {
		t.Errorf("%d kinds, %d answers", len(got), n)
	}
}

func TestCountersAllocateNothing(t *testing.T) {
	counters := NewCounters()
	k := Kind{"milter", greylist.Defer, greylist.ReasonTooSoon}
	if n := testing.AllocsPerRun(100, func() { counters.Answer(k, time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations an answer", n)
	}
}

func sum(counts []int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}
