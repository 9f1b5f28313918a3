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
}

// newCompany makes one of at most so many. Twice as many can wait; who comes then
// waits to be let into the queue.
func newCompany[T any](most int, closing chan struct{}) company[T] {
	return company[T]{queue: make(chan T, 2*most), most: most, closing: closing}
}

// gather adds to a batch that has somebody those who are waiting, and those who
// come in time.
func (c *company[T]) gather(batch []T) []T {
	batch = c.takeWaiting(batch)
	expected := min(c.shared+c.came, c.most)
	patience := companyPatience - time.Since(c.parted)
	if len(batch) >= expected || patience <= 0 {
		return batch
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for len(batch) < expected {
		select {
		case one := <-c.queue:
			batch = append(batch, one)
		case <-timer.C:
			return batch
		case <-c.closing:
			return batch
		}
	}
	return batch
}

// takeWaiting adds those who are waiting.
func (c *company[T]) takeWaiting(batch []T) []T {
	for len(batch) < c.most {
		select {
		case one := <-c.queue:
			batch = append(batch, one)
		default:
			return batch
		}
	}
	return batch
}

// meet notes how many are in the batch that sets out.
func (c *company[T]) meet(shared int) { c.shared, c.came = shared, 0 }

// part notes that it has succeeded. It is to be called before they are told, since
// who then comes back was counted already.
func (c *company[T]) part() { c.came, c.parted = len(c.queue), time.Now() }
