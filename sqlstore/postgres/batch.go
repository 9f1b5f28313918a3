package postgres

import (
	"bytes"
	"context"
	"slices"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// A decision is made in steps, each of which is a round trip to the server that is
// shared with whatever steps others are at: a look at what is remembered, which
// answers those who are to write nothing; then the write, which inserts a row only
// if there is still none, and changes it only if it is still as it was seen.
// Whoever was too late looks again (late.go). Where most are of triplets
// never seen, the look is left out: who is refused does that then.
//
// Nothing is locked between two steps, and no update is lost, whoever else writes.
// Nobody ever waits in a circle: who waits is still inserting, in the order of the
// keys, for somebody who has inserted a key that comes later than all that it has
// itself, or who changes rows, which nobody waits to do.

// guessFresh is for how long a connection that has just worked is trusted with a
// write that follows no look: what is lost with a connection may have been
// committed, or not.
const guessFresh = time.Second

// group is all that a batch wants of one triplet.
type group struct {
	key       backend.Key
	decisions []*decision // in the order in which they came
	known                 // of all of them
	now       greylist.Entry
	written   bool
}

// known is what a decision rests on.
type known struct {
	looked bool            // was is what was remembered one round trip ago
	was    *greylist.Entry // nil: nothing
	seen   bool            // it can't be guessed that there is nothing
}

// grouped puts the decisions on the same triplet together. Groups are in the order
// of their keys.
func grouped(batch []*decision) []*group {
	byKey := make(map[backend.Key]*group, len(batch))
	groups := make([]*group, 0, len(batch))
	for _, d := range batch {
		g := byKey[d.key]
		if g == nil {
			g = &group{key: d.key, known: d.known}
			byKey[d.key] = g
			groups = append(groups, g)
		}
		g.decisions = append(g.decisions, d)
		g.seen = g.seen || d.seen
		g.looked = g.looked && d.looked // who has come since is not answered by an older look
	}
	slices.SortFunc(groups, func(a, b *group) int { return bytes.Compare(a.key[:], b.key[:]) })
	return groups
}

// find is the group of a key, or nil.
func find(groups []*group, k []byte) *group {
	i, ok := slices.BinarySearchFunc(groups, k, func(g *group, k []byte) int { return bytes.Compare(g.key[:], k) })
	if !ok {
		return nil
	}
	return groups[i]
}

// answer gives all of the groups the same answer.
func answer(groups []*group, err error) {
	for _, g := range groups {
		for _, d := range g.decisions {
			d.done <- err
		}
	}
}

// step has the decisions of groups go on, from what they know.
func step(groups []*group, from known) (decisions []*decision) {
	for _, g := range groups {
		for _, d := range g.decisions {
			d.known = from
			if from.looked {
				d.was = g.was
			}
		}
		decisions = append(decisions, g.decisions...)
	}
	return decisions
}

// decide asks the callers of a group what they make of what is remembered, and
// reports whether there is something to be written. Those whose answer needs
// nothing to be written have it then, unless that was a guess.
func (w *worker) decide(g *group, remembered *greylist.Entry, guess bool) (writes bool) {
	waiting := g.decisions[:0]
	for i, d := range g.decisions {
		remember, write, err := d.ask(remembered)
		w.store.counters.ReportPanic(err, w.store.log)
		switch {
		case err != nil:
			d.done <- err
			continue
		case write:
			g.now, remembered, writes = remember, &remember, true
		case !writes && guess:
			g.decisions = append(waiting, g.decisions[i:]...)
			return false
		case !writes:
			d.done <- nil
			continue
		}
		waiting = append(waiting, d)
	}
	g.decisions = waiting
	return writes
}

// plan finds out the next step of each group.
func (w *worker) plan(groups []*group) (t trip) {
	away := w.store.link.away.Load()
	guess := away == nil && w.store.unseen.most() && time.Since(w.worked) < guessFresh
	for _, g := range groups {
		switch {
		case g.looked:
			if !w.decide(g, g.was, false) {
				continue
			}
			if away != nil {
				answer([]*group{g}, away.fault)
				continue
			}
			t.write(g)
		case guess && !g.seen && w.decide(g, nil, true):
			g.was = nil
			t.write(g)
		case len(g.decisions) > 0:
			t.looks = append(t.looks, g)
		}
	}
	return t
}

// travel makes a trip, and returns those who are to go on at once.
func (w *worker) travel(ctx context.Context, t *trip) (again []*decision) {
	began := time.Now()
	err := w.send(ctx, t)
	w.Ended()
	writing := append(t.inserts, t.changes...)
	switch {
	case err == nil:
		w.worked = time.Now()
		return w.arrive(t, writing, w.worked.Sub(began))
	case len(writing) == 0:
		w.fail(t.looks, err, false)
		return nil
	case isConflict(err):
		w.late(writing)
		return step(t.looks, known{seen: true})
	case w.conn == nil, w.conn.IsClosed(): // so that it may be committed, or not
		w.fail(append(writing, t.looks...), err, false)
		return nil
	}
	again = step(t.looks, known{seen: true})
	switch {
	case !isAboutData(err):
		w.fail(writing, err, true)
	case len(writing) == 1:
		answer(writing, w.store.server.fault(err))
	default: // one of them is to blame, and is to harm no other
		for i, g := range writing {
			var one trip
			one.write(g)
			again = append(again, w.travel(ctx, &one)...)
			if away := w.store.link.away.Load(); away != nil {
				answer(writing[i+1:], away.fault)
				break
			}
		}
	}
	return again
}

// arrive takes in what a trip has come to.
func (w *worker) arrive(t *trip, writing []*group, took time.Duration) (again []*decision) {
	unseen := &w.store.unseen
	answered := 0
	for _, g := range writing {
		switch one := []*group{g}; {
		case g.written:
			answer(one, nil)
			answered++
			if !g.looked {
				unseen.note(true)
			}
		case g.looked:
			w.late(one)
		default: // it was a guess
			again = append(again, step(one, known{seen: true})...)
			unseen.note(false)
		}
	}
	wrote := answered > 0
	for _, g := range t.looks {
		unseen.note(g.was == nil)
		before := len(g.decisions)
		if w.decide(g, g.was, false) {
			again = append(again, step([]*group{g}, known{looked: true})...)
		} else {
			answered += before
		}
	}
	if answered > 0 {
		w.store.counters.Done(answered, wrote, took)
	}
	return again
}
