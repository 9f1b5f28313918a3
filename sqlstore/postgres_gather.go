package sqlstore

import "time"

const (
	// maxShared bounds how many jobs share a round trip.
	maxShared = 256

	// companyPatience is for how long after a batch those are waited for who may
	// share the next. It bounds what an answer is delayed by that.
	companyPatience = 2 * time.Millisecond
)

// gather adds to those who are still to be decided about those who are waiting.
// It returns nobody only when the store is closed.
//
// Under load, who was answered a moment ago will soon ask again. So for a moment
// there is expected to be company: as many as were in the last batch, and as have
// come meanwhile. Who asks alone, one question after the other, waits for nobody.
func (w *worker) gather(batch []*decision) []*decision {
	expected := min(w.shared+w.came, maxShared)
	if len(batch) == 0 {
		select {
		case d := <-w.queue:
			batch = append(batch, d)
		case <-w.store.closing:
		}
	}
	batch = w.takeWaiting(batch)
	patience := companyPatience - time.Since(w.returned)
	if len(batch) == 0 || len(batch) >= expected || patience <= 0 {
		return batch
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for len(batch) < expected {
		select {
		case d := <-w.queue:
			batch = append(batch, d)
		case <-timer.C:
			return batch
		case <-w.store.closing:
			return batch
		}
	}
	return batch
}

func (w *worker) takeWaiting(batch []*decision) []*decision {
	for len(batch) < maxShared {
		select {
		case d := <-w.queue:
			batch = append(batch, d)
		default:
			return batch
		}
	}
	return batch
}
