package timeout

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestTimeout: it ends as a context of the standard library does, whether or not its
// channel is asked for, or another context is derived from it, before.
func TestTimeout(t *testing.T) {
	for name, before := range map[string]func(context.Context) context.Context{
		"nothing before": func(ctx context.Context) context.Context { return ctx },
		"the channel":    func(ctx context.Context) context.Context { ctx.Done(); return ctx },
		"derived": func(ctx context.Context) context.Context {
			derived, cancel := context.WithCancel(ctx)
			t.Cleanup(cancel)
			return derived
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancel(context.WithValue(t.Context(), t, 1))
				defer cancel()
				for _, earlier := range []bool{false, true} {
					own := With(parent, time.Second)
					ctx := before(own)
					if at, ok := ctx.Deadline(); !ok || time.Until(at) != time.Second || ctx.Err() != nil || ctx.Value(t) != 1 {
						t.Errorf("deadline %v, %v; %v", at, ok, ctx.Err())
					}
					want := context.DeadlineExceeded
					if earlier {
						time.AfterFunc(time.Millisecond, cancel)
						want = context.Canceled
					} else {
						time.Sleep(time.Second + 1)
						synctest.Wait()
						if err := ctx.Err(); !errors.Is(err, want) {
							t.Errorf("without its channel: %v, want %v", err, want)
						}
					}
					<-ctx.Done()
					if err := ctx.Err(); !errors.Is(err, want) {
						t.Errorf("%v, want %v", err, want)
					}
					own.End()
				}
			})
		})
	}
}
