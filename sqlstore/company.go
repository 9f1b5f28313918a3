package sqlstore

import "time"

// companyPatience is for how long after a batch those are waited for who may
// share the next. It bounds what an answer is delayed by that.
const companyPatience = 2 * time.Millisecond

// company gathers those who share a batch, and with it what a commit costs.
//
// Under load, who was answered a moment ago will soon ask again. So for a moment
// there is expected to be company: as many as were in the last batch, and as have
// come meanwhile. Who asks alone, one question after the other, waits for nobody.
type company[T any] struct {
	queue   chan T
	most    int           // of a batch
	closing chan struct{} // closed: nobody is waited for any more

	shared int       // how many were in the last batch
	came   int       // how many came while it was under way
	parted time.Time // when it had succeeded
	timer  *time.Timer
}

// newCompany makes one of at most so many. Twice as many can wait; who comes then
// waits to be let into the queue.
func newCompany[T any](most int, closing chan struct{}) company[T] {
	return company[T]{queue: make(chan T, 2*most), most: most, closing: closing, timer: time.NewTimer(0)}
}

// another returns one more to a batch that has so many: one who is waiting, or, with
// patience, one who comes in time. It returns false if the batch is to go.
func (c *company[T]) another(have int, patient bool) (one T, ok bool) {
	if have >= c.most {
		return one, false
	}
	select {
	case one = <-c.queue:
		return one, true
	default:
	}
	patience := companyPatience - time.Since(c.parted)
	if !patient || have >= c.shared+c.came || patience <= 0 {
		return one, false
	}
	c.timer.Reset(patience)
	defer c.timer.Stop()
	select {
	case one = <-c.queue:
		return one, true
	case <-c.timer.C:
	case <-c.closing:
	}
	return one, false
}

// gather returns a batch with all who are waiting, and with patience those who
// come in time.
func (c *company[T]) gather(batch []T, patient bool) []T {
	for {
		one, ok := c.another(len(batch), patient)
		if !ok {
			return batch
		}
		batch = append(batch, one)
	}
}

// meet notes how many are in a batch.
func (c *company[T]) meet(shared int) { c.shared, c.came = shared, 0 }

// part notes that it has succeeded. It is to be called before they are told, since
// who then comes back was counted already.
func (c *company[T]) part() { c.came, c.parted = len(c.queue), time.Now() }
