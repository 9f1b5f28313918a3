package web

import (
	"context"
	"errors"
	"sync"
	"time"

	"greyglass/greylist"
)

// databaseError is an error of the database, in words for people who do not administer it.
type databaseError struct{ cause error }

func readError(cause error) error { return &databaseError{cause} }

func (e *databaseError) Error() string {
	if e.late() {
		return "the database did not answer in time. Try again, or search for a client, a sender and a recipient together, which is fast"
	}
	return "the database cannot be read now. The log has the cause"
}

func (e *databaseError) Unwrap() error { return e.cause }

// late reports whether the database did not answer in time.
func (e *databaseError) late() bool { return errors.Is(e.cause, context.DeadlineExceeded) }

// mayHaveChanged reports whether, in spite of the error, the database may have made the change
// that it was asked for: perhaps only its answer was lost.
func mayHaveChanged(err error) bool {
	return ofDatabase(err) != nil && !errors.Is(err, greylist.ErrClosed)
}

// ofDatabase returns the error of the database that err is, or nil.
func ofDatabase(err error) *databaseError {
	e := new(databaseError)
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// failures logs errors of the database.
type failures struct {
	mu     sync.Mutex
	last   string // the cause that was logged last
	logged time.Time
}

// repeatAfter is how long after it was logged the same cause is logged again.
const repeatAfter = 10 * time.Minute

// logFailure logs the cause of an error of the database, once. A browser that no longer waits
// is none.
func (s *Server) logFailure(err error) {
	e := ofDatabase(err)
	if e == nil || errors.Is(e.cause, context.Canceled) {
		return
	}
	f := &s.failures
	f.mu.Lock()
	defer f.mu.Unlock()
	if text := e.cause.Error(); text != f.last || time.Since(f.logged) > repeatAfter {
		f.last, f.logged = text, time.Now()
		s.log.Error(eventDatabaseFailed, "error", e.cause)
	}
}
