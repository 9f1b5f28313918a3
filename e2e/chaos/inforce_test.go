package chaos

import (
	"sync"
	"time"
)

// inForce is which settings and lists may have been in force when: two at a time
// while a change is under way.
type inForce struct {
	mu    sync.Mutex
	terms []term
}

// term is how long a regime may have been in force.
type term struct {
	regime
	from, until time.Time // until is zero for the last
}

func newInForce(r regime) *inForce { return &inForce{terms: []term{{regime: r, from: time.Now()}}} }

// change begins a change, which is over when the returned function is called.
func (f *inForce) change(to regime) (done func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.terms)
	f.terms = append(f.terms, term{regime: to, from: time.Now()})
	if len(f.terms) > 100 {
		f.terms = f.terms[50:]
		n -= 50
	}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.terms[n-1].until = time.Now()
	}
}

// present is what is in force, or is about to be.
func (f *inForce) present() regime {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.terms[len(f.terms)-1].regime
}

// between returns what may have been in force at some time between the two.
func (f *inForce) between(from, to time.Time) (all []regime) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := len(f.terms) - 1; i >= 0; i-- {
		t := f.terms[i]
		if !t.until.IsZero() && t.until.Before(from) {
			break
		}
		if !t.from.After(to) {
			all = append(all, t.regime)
		}
	}
	return all
}
