package judge

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"greyglass/greylist"
)

// Counters count the answers of a [Judge]. Counting takes no lock, except for the
// first answer of a new kind.
type Counters struct {
	kinds atomic.Pointer[map[Kind]*atomic.Int64] // replaced as a whole for a new kind
	took  *greylist.Histogram                    // nanoseconds
	delay *greylist.Histogram                    // seconds

	panics atomic.Int64

	mu       sync.Mutex                  // for adding a kind, and for returned
	returned map[greylist.Returned]int64 // since [Counters.TakeReturned]; Count is zero in the key
}

// Kind is what answers are counted by.
type Kind struct {
	Via     string // the front end
	Verdict greylist.Verdict
	Reason  greylist.Reason
}

// answerTimes are the buckets of the times to answer, up to the 30 s that Postfix
// waits for a milter.
var answerTimes = []int64{
	int64(50 * time.Microsecond), int64(100 * time.Microsecond), int64(250 * time.Microsecond), int64(500 * time.Microsecond),
	int64(time.Millisecond), int64(2500 * time.Microsecond), int64(5 * time.Millisecond), int64(10 * time.Millisecond),
	int64(25 * time.Millisecond), int64(50 * time.Millisecond), int64(100 * time.Millisecond), int64(250 * time.Millisecond),
	int64(500 * time.Millisecond), int64(time.Second), int64(2500 * time.Millisecond), int64(5 * time.Second), int64(30 * time.Second),
}

// NewCounters makes counters that are all zero.
func NewCounters() *Counters {
	t := &Counters{
		took:     greylist.NewHistogram(answerTimes...),
		delay:    greylist.NewHistogram(greylist.Delays[:len(greylist.Delays)-1]...),
		returned: make(map[greylist.Returned]int64),
	}
	t.kinds.Store(&map[Kind]*atomic.Int64{})
	return t
}

// Answer counts an answer and the time that it took.
func (t *Counters) Answer(k Kind, took time.Duration) {
	n, known := (*t.kinds.Load())[k]
	if !known {
		n = t.add(k)
	}
	n.Add(1)
	t.took.Observe(int64(took))
}

// add adds a kind, unless another goroutine has.
func (t *Counters) add(k Kind) *atomic.Int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := *t.kinds.Load()
	if n, known := old[k]; known {
		return n
	}
	kinds := make(map[Kind]*atomic.Int64, len(old)+1)
	maps.Copy(kinds, old)
	kinds[k] = new(atomic.Int64)
	t.kinds.Store(&kinds)
	return kinds[k]
}

// Passed counts an entry that has just passed.
func (t *Counters) Passed(e greylist.Entry) {
	waited := max(e.PassedAt-e.FirstSeen, 0)
	t.delay.Observe(waited)
	r := greylist.Returned{Hour: greylist.HourOf(e.FirstSeen), Within: greylist.Delays[greylist.DelayWithin(waited)]}
	t.mu.Lock()
	t.returned[r]++
	t.mu.Unlock()
}

// Answers returns how many answers there were of each kind.
func (t *Counters) Answers() map[Kind]int64 {
	answers := make(map[Kind]int64)
	for k, n := range *t.kinds.Load() {
		answers[k] = n.Load()
	}
	return answers
}

// Took returns the times to answer, in nanoseconds.
func (t *Counters) Took() greylist.Distribution { return t.took.Read() }

// Delay returns how long the entries that passed had waited, in seconds.
func (t *Counters) Delay() greylist.Distribution { return t.delay.Read() }

// Panics returns how many panics were caught while judging.
func (t *Counters) Panics() int64 { return t.panics.Load() }

// TakeReturned moves the counts of entries that passed into counts.
func (t *Counters) TakeReturned(counts map[greylist.Returned]int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for r, n := range t.returned {
		counts[r] += n
	}
	clear(t.returned)
}
