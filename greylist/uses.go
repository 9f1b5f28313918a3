package greylist

import (
	"maps"
	"slices"
	"sync"
)

// Uses notes which entries of a list were used. The zero value is ready for use.
type Uses struct {
	mu      sync.Mutex
	entries map[string]bool // since the last [Uses.Take]
}

// Note notes that an entry was used.
func (u *Uses) Note(entry string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.entries == nil {
		u.entries = make(map[string]bool)
	}
	u.entries[entry] = true
}

// Take returns the entries that were used since the last call, sorted.
func (u *Uses) Take() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	used := slices.Sorted(maps.Keys(u.entries))
	clear(u.entries)
	return used
}
