package backend

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// panicError is the error of a change that panicked. Its text is one line.
type panicError struct {
	value any
	stack string
}

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// Rescue turns a panic of a change into its error. It is to be deferred.
func Rescue(err *error) {
	if p := recover(); p != nil {
		*err = &panicError{value: p, stack: string(debug.Stack())}
	}
}

// ReportPanic counts and logs the panic, if the error is of one. A change may be tried
// again, and panic again: this is for the last time.
func (t *Counters) ReportPanic(err error, log *slog.Logger) {
	var p *panicError
	if !errors.As(err, &p) {
		return
	}
	t.panics.Add(1)
	log.Error(eventPanic, "panic", p.value, "stack", p.stack)
}
