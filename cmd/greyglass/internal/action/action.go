// Package action makes the changes that the commands and the web page make, and says what
// follows from them.
package action

import (
	"context"
	"errors"
	"fmt"

	"greyglass/greylist"
	"greyglass/greylist/judge"
	"greyglass/greylist/rules"
)

// Store is what changes ask of the database, see [greylist.Store].
type Store interface {
	Update(ctx context.Context, triplets []greylist.Triplet, change greylist.Change) (greylist.Decision, error)
	Expect(ctx context.Context, e greylist.Expectation) error
}

// Pass stores a triplet as passed now (Unix seconds). It returns what was stored before, nil
// if nothing was, and what is.
func Pass(ctx context.Context, store Store, t greylist.Triplet, now int64) (before *greylist.Entry, after greylist.Entry, err error) {
	_, err = store.Update(ctx, []greylist.Triplet{t}, func(stored []*greylist.Entry) greylist.Decision {
		before = nil
		if stored[0] != nil {
			was := *stored[0]
			before = &was
		}
		after = greylist.PassNow(before, now)
		return greylist.Decision{Remember: after}
	})
	return before, after, err
}

// Refused is why mail is not expected, where the store has not taken the expectation.
type Refused struct{ error }

func (r *Refused) Unwrap() error { return r.error }

// Expect stores an expectation, unless no mail would get as far as that; the error is then a
// *[Refused]. precedes is a rule that accepts such mail in any case; nil if none does.
func Expect(ctx context.Context, policy *judge.Policy, store Store, e greylist.Expectation) (precedes *rules.Ruling, err error) {
	precedes, err = policy.PrecedesExpected(ctx, e)
	switch {
	case err != nil:
		return nil, &Refused{err}
	case precedes != nil && precedes.Verdict != greylist.Accept:
		return nil, &Refused{fmt.Errorf("such mail is %s before, with the reason %s (%s)", precedes.Verdict.InWords(), precedes.Reason, precedes.Because)}
	}
	if err = store.Expect(ctx, e); errors.Is(err, greylist.ErrManyExpected) {
		return nil, &Refused{fmt.Errorf("%d expectations are there already; greyglass expect --cancel ends some", greylist.MaxExpected)}
	}
	return precedes, err
}
