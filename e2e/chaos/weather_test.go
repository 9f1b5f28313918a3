package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// fault is a kind of interference.
type fault string

// Faults that last, under which the store may fail, or sessions may be dropped.
const (
	diskFull  fault = "disk full"
	fileLimit fault = "file-size limit"
	readOnly  fault = "read-only"
	lockHeld  fault = "lock held"
	stopped   fault = "SIGSTOP"
	killed    fault = "kill -9"
	ended     fault = "SIGTERM"
)

// recovery is how long after a fault's end its consequences may be felt.
const recovery = 5 * time.Second

// weather is which faults there were, and when.
type weather struct {
	mu     sync.Mutex
	spells []spell
	counts map[fault]int
}

type spell struct {
	fault       fault
	from, until time.Time // until is zero while it lasts
}

// count notes a fault that only happens.
func (w *weather) count(f fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts == nil {
		w.counts = make(map[fault]int)
	}
	w.counts[f]++
}

// begin notes that a fault begins, and returns how to note that it is over.
func (w *weather) begin(f fault) (end func()) {
	w.count(f)
	w.mu.Lock()
	defer w.mu.Unlock()
	s := spell{fault: f, from: time.Now()}
	w.spells = append(w.spells, s)
	if len(w.spells) > 200 { // long over
		w.spells = slices.Delete(w.spells, 0, 100)
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for i := range w.spells {
			if w.spells[i] == s {
				w.spells[i].until = time.Now()
			}
		}
	}
}

// felt reports whether one of the faults may be felt between two times.
func (w *weather) felt(from, to time.Time, faults ...fault) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.spells {
		if slices.Contains(faults, s.fault) && !s.from.After(to) && (s.until.IsZero() || s.until.Add(recovery).After(from)) {
			return true
		}
	}
	return false
}

// storeMayFail reports whether the store has a reason to fail between two times.
func (w *weather) storeMayFail(from, to time.Time) bool {
	return w.felt(from, to, diskFull, fileLimit, readOnly, lockHeld, stopped)
}

// String is the counts.
func (w *weather) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var parts []string
	for _, f := range slices.Sorted(maps.Keys(w.counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", f, w.counts[f]))
	}
	return strings.Join(parts, ", ")
}
