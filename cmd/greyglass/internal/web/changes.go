package web

import (
	"context"
	"crypto/rand"
	"sync"
)

// maxChanges is how many changes, the newest, can be undone.
const maxChanges = 200

// change is what an operator has done.
type change struct {
	user    string
	did     string                                // a sentence
	back    string                                // the query of the page to return to
	undo    func(context.Context) (string, error) // returns a sentence; nil: undone already
	command string                                // as it is logged
}

// doneNote says on a page what was just done.
type doneNote struct {
	ID, Did string
	CanUndo bool
}

// changes are the newest changes, in memory.
type changes struct {
	mu    sync.Mutex
	byID  map[string]*change
	order []string
}

func newChanges() *changes { return &changes{byID: make(map[string]*change)} }

// add keeps a change, and returns its ID, which cannot be guessed.
func (c *changes) add(done *change) (id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id = rand.Text()
	c.byID[id] = done
	c.order = append(c.order, id)
	if len(c.order) > maxChanges {
		delete(c.byID, c.order[0])
		c.order = c.order[1:]
	}
	return id
}

// note returns what was done, for the one who did it; nil if it was somebody else.
func (c *changes) note(id string, v viewer) *doneNote {
	c.mu.Lock()
	defer c.mu.Unlock()
	done := c.byID[id]
	if done == nil || done.user != v.Name {
		return nil
	}
	return &doneNote{ID: id, Did: done.did, CanUndo: done.undo != nil && v.Acts}
}

// restore lets a change be undone after all, because the database has failed.
func (c *changes) restore(id string, taken *change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if done := c.byID[id]; done != nil {
		done.undo = taken.undo
	}
}

// take returns a change so that it is undone, once; nil if it cannot be.
func (c *changes) take(id string, v viewer) *change {
	c.mu.Lock()
	defer c.mu.Unlock()
	done := c.byID[id]
	if done == nil || done.user != v.Name || done.undo == nil {
		return nil
	}
	taken := *done
	done.undo = nil
	return &taken
}
