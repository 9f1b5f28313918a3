package backend

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestQueue: who shares a batch with whom, and how long they wait for that.
func TestQueue(t *testing.T) {
	const ms, crowd = time.Millisecond, 64
	for _, test := range []struct {
		name   string
		shared int             // in the last batch
		waits  int             // who came meanwhile
		comes  []time.Duration // and after it
		batch  int
		at     time.Duration
	}{
		{"alone", 1, 0, []time.Duration{ms / 2}, 1, ms / 2},
		{"the first", 0, 0, []time.Duration{ms / 2, ms}, 1, ms / 2},
		{"at once", 1, 0, []time.Duration{0}, 1, 0},
		{"all come back", 3, 0, []time.Duration{ms / 4, ms / 2, ms}, 3, ms},
		{"one who came meanwhile, and one who comes back", 1, 1, []time.Duration{ms}, 2, ms},
		{"one does not", 2, 0, []time.Duration{ms, 3 * ms}, 1, 2 * ms},
		{"too late to wait", 3, 0, []time.Duration{5 * ms, 6 * ms, 7 * ms}, 1, 5 * ms},
		{"more than expected", 2, 3, nil, 3, 2 * ms},
		{"a crowd", crowd, crowd, nil, crowd, 0},
		{"who comes back at once", 3, 0, []time.Duration{0, 0, 0}, 3, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := NewQueue[int](crowd, make(chan struct{}))
				c.Began(test.shared)
				for range test.waits {
					c.Jobs <- 0
				}
				c.Ended()
				for _, after := range test.comes {
					time.AfterFunc(after, func() { c.Jobs <- 0 })
				}
				began := time.Now()
				if batch := c.Fill([]int{<-c.Jobs}, true); len(batch) != test.batch || time.Since(began) != test.at {
					t.Errorf("%d after %v, want %d after %v", len(batch), time.Since(began), test.batch, test.at)
				}
				time.Sleep(10 * ms) // until all have come
			})
		})
	}
}

// TestQueueWithoutWait: a store that is closed does not wait, nor does one whose last
// batch has failed.
func TestQueueWithoutWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, closed := range []bool{false, true} {
			c := NewQueue[int](8, make(chan struct{}))
			c.Began(5)
			if closed {
				c.Ended()
				close(c.Closing)
			}
			began := time.Now()
			if batch := c.Fill([]int{1}, true); len(batch) != 1 || time.Since(began) != 0 {
				t.Errorf("%d after %v", len(batch), time.Since(began))
			}
		}
	})
}
