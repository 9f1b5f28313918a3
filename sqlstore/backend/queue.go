package backend

import "time"

// batchWait bounds how long after a commit the next batch waits for more jobs.
const batchWait = 2 * time.Millisecond

// Queue collects jobs into batches for group commit.
//
// Under load, callers that were just answered soon ask again. So for a moment after a
// commit the next batch waits until it has as many jobs as the last one, and those that
// were queued meanwhile. A single caller never waits.
type Queue[T any] struct {
	Jobs    chan T        // queued; full at twice the size of a batch
	Closing chan struct{} // closed: no batch waits for more jobs

	most   int       // jobs in a batch
	last   int       // jobs in the last batch
	queued int       // jobs that were queued when it was committed
	ended  time.Time // when it was committed
	timer  *time.Timer
}

// NewQueue returns a queue for batches of at most so many jobs.
func NewQueue[T any](most int, closing chan struct{}) Queue[T] {
	return Queue[T]{Jobs: make(chan T, 2*most), most: most, Closing: closing, timer: time.NewTimer(0)}
}

// Next returns one more job for a batch of size have: one that is queued or, with wait,
// one that comes in time. It returns false if the batch is complete.
func (q *Queue[T]) Next(have int, wait bool) (job T, ok bool) {
	if have >= q.most {
		return job, false
	}
	select {
	case job = <-q.Jobs:
		return job, true
	default:
	}
	remaining := batchWait - time.Since(q.ended)
	if !wait || have >= q.last+q.queued || remaining <= 0 {
		return job, false
	}
	q.timer.Reset(remaining)
	defer q.timer.Stop()
	select {
	case job = <-q.Jobs:
		return job, true
	case <-q.timer.C:
	case <-q.Closing:
	}
	return job, false
}

// Fill completes a batch with the jobs that are queued and, with wait, those that come
// in time.
func (q *Queue[T]) Fill(batch []T, wait bool) []T {
	for {
		job, ok := q.Next(len(batch), wait)
		if !ok {
			return batch
		}
		batch = append(batch, job)
	}
}

// Began notes the size of a batch.
func (q *Queue[T]) Began(size int) { q.last, q.queued = size, 0 }

// Ended notes that the batch was committed. Call it before answering its callers: a
// caller whose next job is queued at once would count twice.
func (q *Queue[T]) Ended() { q.queued, q.ended = len(q.Jobs), time.Now() }
