package sqlite

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// model is a database of one triplet and its client, with a WAL index and a cache. passed
// is what is committed: when the triplet passed, and the client first; 0 if they are not
// there.
type model struct {
	index  *walIndex
	cache  *cache
	passed int64
	next   header // of the commit under way
}

const modelClient = "192.0.2.1"

var modelKey = backend.KeyOf(greylist.Triplet{Client: modelClient})

// newModel makes a model whose cache has the triplet and its client. Its memory is Go's, so that the
// race detector watches it.
func newModel() *model {
	m := &model{index: new(walIndex), cache: &cache{shards: []shard{{slots: make([]slot, bucketSize)}}}, passed: 1}
	m.next[2] = 7
	m.header(1)
	m.header(0)
	m.cache.begun(m.index)
	m.cache.committed(0, &changes{triplets: []change{m.change()}})
	m.cache.putClient(modelClient, m.client(), m.cache.stamp())
	return m
}

func (m *model) change() change { return change{modelKey, entryPassed(m.passed)} }

func (m *model) client() *greylist.ClientEntry {
	if m.passed == 0 {
		return nil
	}
	return &greylist.ClientEntry{FirstPassed: m.passed}
}

func entryPassed(at int64) greylist.Entry {
	return greylist.Entry{FirstSeen: 1, LastSeen: at, PassedAt: at, Accepted: 1}
}

// header writes one copy of the header, as SQLite does.
func (m *model) header(i int) {
	for w, v := range m.next {
		atomic.StoreUint32(&m.index[i][w], v)
	}
}

// A step is one that no other process or thread can see in part.
type step func(*model)

// committing are the steps of a commit that sets when the triplet passed.
func committing(passed int64) []step {
	return []step{
		func(m *model) { m.next[2]++; m.next[4]++; m.next[10] = m.next[2] * 31; m.header(1) },
		func(m *model) { m.header(0); m.passed = passed },
	}
}

// restarts are the steps of a checkpoint that restarts the log: it has no commit.
func restarts() []step {
	return []step{
		func(m *model) { m.next[4] = 0; m.next[8]++; m.next[10]++; m.header(1) },
		func(m *model) { m.header(0) },
	}
}

// recoveries are the steps of SQLite's recovery of the index, with a commit of a program
// that was killed. The count begins again, here at a given number.
func recoveries(passed int64, count uint32) []step {
	return []step{
		func(m *model) { m.next[2]++; m.next[4]++; m.next[10]++; m.header(1) }, // killed
		func(m *model) { m.next[2] = count; m.next[10]++; m.header(1) },
		func(m *model) { m.header(0); m.passed = passed },
	}
}

// replaced is another database in the place of this one.
func replaced(passed int64) []step {
	return []step{func(m *model) {
		m.index, m.passed, m.next = new(walIndex), passed, header{0, 0, 7}
		m.header(1)
		m.header(0)
		m.cache.begun(m.index)
	}}
}

// own are the steps of the writer around those of its transaction.
func own(pages int, passed int64, transaction []step) []step {
	var next *stamp
	steps := []step{func(m *model) { m.cache.begun(m.index) }}
	steps = append(steps, transaction...)
	return append(steps,
		func(m *model) {
			if next = m.cache.stamp(); next != nil {
				next = next.after(pages)
			}
		},
		func(m *model) {
			if next != nil {
				m.cache.set(change{modelKey, entryPassed(passed)})
				m.cache.clients.changed([]string{modelClient}, false)
			}
		},
		func(m *model) {
			if next != nil {
				m.cache.now.Store(next)
			}
		})
}

func joined(all ...[]step) (steps []step) {
	for _, s := range all {
		steps = append(steps, s...)
	}
	return steps
}

// reader finds the triplet and its client, in steps: it takes the stamp, the slot and row,
// and then the two copies of the header.
type reader struct {
	at              *stamp
	triplet, client answer
	first           header
	possible        map[int64]bool // what was committed at some time since it began
	current         bool
}

type answer struct {
	passed int64
	found  bool
}

func (r *reader) steps() []step {
	return []step{
		func(m *model) { r.at = m.cache.stamp() },
		func(m *model) {
			if r.at != nil {
				r.triplet, r.client = m.cached()
			}
		},
		func(m *model) {
			if r.at != nil {
				r.first = r.at.index[0].load()
			}
		},
		func(m *model) {
			r.current = r.at != nil && r.first == r.at.header && r.at.index[1].load() == r.first
		},
	}
}

// cached returns what the cache has.
func (m *model) cached() (triplet, client answer) {
	var e greylist.Entry
	triplet.found = m.cache.get(modelKey, &e)
	triplet.passed = e.PassedAt
	row, found := m.cache.clients.rows[modelClient]
	client.found = found
	if row != nil {
		client.passed = row.FirstPassed
	}
	return triplet, client
}

// putter stores what it reads in the database, in steps.
func putter() []step {
	var at *stamp
	var e greylist.Entry
	var client *greylist.ClientEntry
	return []step{
		func(m *model) { at = m.cache.stamp() },
		func(m *model) { e, client = entryPassed(m.passed), m.client() },
		func(m *model) {
			m.cache.put(modelKey, &e, at)
			m.cache.putClient(modelClient, client, at)
		},
	}
}

// TestCacheInterleaved: whatever a reader and one that stores do between which steps of
// commits, checkpoints, recoveries and replacements, an answer is what was committed at
// some time since its request began.
func TestCacheInterleaved(t *testing.T) {
	t.Parallel()
	for name, writing := range map[string]func() []step{
		"own commit":             func() []step { return own(1, 2, committing(2)) },
		"own removal":            func() []step { return own(1, 0, committing(0)) },
		"another's commit":       func() []step { return committing(2) },
		"another's, then own":    func() []step { return joined(committing(2), own(1, 3, committing(3))) },
		"own, then another's":    func() []step { return joined(own(1, 2, committing(2)), committing(3)) },
		"another's within own":   func() []step { return own(1, 2, joined(committing(2), committing(3))) },
		"nothing committed":      func() []step { return own(0, 1, nil) },
		"another's in a read":    func() []step { return own(0, 1, committing(2)) },
		"restart":                func() []step { return own(0, 1, restarts()) },
		"restart by another":     func() []step { return joined(restarts(), committing(2)) },
		"restart and commit":     func() []step { return own(1, 2, joined(restarts(), committing(2))) },
		"commit within restart":  func() []step { return own(0, 1, joined(committing(2), restarts())) },
		"recovery":               func() []step { return recoveries(2, 0) },
		"recovery after own":     func() []step { return own(1, 2, joined(committing(2), recoveries(3, 0))) },
		"recovery and as counts": func() []step { return joined(recoveries(2, 0), own(1, 3, committing(3))) },
		"recovery and as many":   func() []step { return own(1, 2, joined(committing(2), recoveries(3, 7), committing(4))) },
		"replacement":            func() []step { return replaced(2) },
		"replacement and commit": func() []step { return joined(replaced(2), own(1, 3, committing(3))) },
	} {
		t.Run(name, func(t *testing.T) { testInterleaved(t, writing) })
	}
}

func testInterleaved(t *testing.T, writing func() []step) {
	orders, answers, ofClient := 0, 0, 0
	interleave([3]int{len(writing()), len(new(reader).steps()), len(putter())}, func(order []int) {
		m, r := newModel(), &reader{possible: make(map[int64]bool)}
		all := [3][]step{writing(), r.steps(), putter()}
		for i, who := range order {
			all[who][0](m)
			all[who] = all[who][1:]
			if len(all[1]) < len(r.steps()) || i+1 < len(order) && order[i+1] == 1 {
				r.possible[m.passed] = true
			}
			if who == 1 && len(all[1]) == 0 && r.current {
				for answered, counter := range map[*answer]*int{&r.triplet: &answers, &r.client: &ofClient} {
					if !answered.found {
						continue
					}
					*counter++
					if !r.possible[answered.passed] {
						t.Fatalf("order %v: answered %d, committed were %v", order, answered.passed, r.possible)
					}
				}
			}
		}
		var e greylist.Entry
		if m.cache.find(modelKey, &e) && e.PassedAt != m.passed {
			t.Fatalf("order %v: afterwards answered %d, committed is %d", order, e.PassedAt, m.passed)
		}
		if client, found := m.cache.findClient(modelClient); found && (client == nil) != (m.passed == 0) ||
			client != nil && client.FirstPassed != m.passed {
			t.Fatalf("order %v: afterwards answered %v, committed is %d", order, client, m.passed)
		}
		orders++
	})
	t.Logf("%d orders, %d and %d answers from the cache", orders, answers, ofClient)
	if answers == 0 || ofClient == 0 {
		t.Error("no answer came from the cache: that tests nothing")
	}
}

// interleave calls f with each order of so many steps of three.
func interleave(left [3]int, f func(order []int)) {
	var order []int
	var next func()
	next = func() {
		done := true
		for who := range left {
			if left[who] > 0 {
				done = false
				left[who]--
				order = append(order, who)
				next()
				order = order[:len(order)-1]
				left[who]++
			}
		}
		if done {
			f(order)
		}
	}
	next()
}

// TestCacheConcurrent is the same with real threads: one commits, at times another
// process does, and all others read and store.
func TestCacheConcurrent(t *testing.T) {
	const rounds, enough = 20_000, 1000
	m := newModel()
	var began, done atomic.Int64 // the last commit, before and after it is visible
	done.Store(1)
	began.Store(1)
	ended := make(chan struct{})
	var answers atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				var e greylist.Entry
				at, least := m.cache.stamp(), done.Load()
				if m.cache.find(modelKey, &e) {
					answers.Add(1)
					if most := began.Load(); e.PassedAt < least || e.PassedAt > most {
						t.Errorf("answered %d, committed were %d to %d", e.PassedAt, least, most)
						return
					}
				} else if read := entryPassed(done.Load()); began.Load() == read.PassedAt {
					m.cache.put(modelKey, &read, at)
				}
			}
		})
	}
	for n, start := int64(2), time.Now(); n < rounds || answers.Load() < enough && time.Since(start) < longWait; n++ {
		others := n%5 == 0
		if !others {
			m.cache.begun(m.index)
		}
		began.Store(n)
		for _, s := range committing(n) {
			s(m)
		}
		done.Store(n)
		if !others {
			m.cache.committed(1, &changes{triplets: []change{m.change()}, clients: []string{modelClient}})
		}
	}
	close(ended)
	wg.Wait()
	if n := answers.Load(); n < enough {
		t.Errorf("only %d answers came from the cache: that tests little", n)
	}
}

// TestCacheSlots: the cache keeps those that passed last, and nothing that it cannot keep
// exactly.
func TestCacheSlots(t *testing.T) {
	c, err := newCache(1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	key := func(n int) backend.Key { // all in one bucket
		return backend.KeyOf(greylist.Triplet{Sender: fmt.Sprint(n)})
	}
	index := new(walIndex)
	c.begun(index)
	shardOf := make(map[byte][]backend.Key)
	for n := range 10_000 {
		k := key(n)
		shardOf[k[0]] = append(shardOf[k[0]], k)
	}
	same := shardOf[0][:bucketSize+1]
	for i, k := range same {
		c.committed(0, &changes{triplets: []change{{k, entryPassed(int64(100 + i))}}})
	}
	var e greylist.Entry
	for i, k := range same {
		found := c.find(k, &e)
		if found != (i > 0) || found && e != entryPassed(int64(100+i)) {
			t.Errorf("the one that passed as number %d: %+v, %v", i, e, found)
		}
	}
	last := same[bucketSize]
	c.committed(0, &changes{expiredBefore: 100 + bucketSize})
	if c.find(same[1], &e) || !c.find(last, &e) {
		t.Error("one that may be expired is found, or another one is not")
	}
	for _, e := range []greylist.Entry{
		{},
		{FirstSeen: 1, LastSeen: 5},
		{FirstSeen: 1, LastSeen: 5, PassedAt: 6},
		{FirstSeen: -1, LastSeen: 200, PassedAt: 200},
		{FirstSeen: 1, LastSeen: 1 << 32, PassedAt: 1 << 32},
		{FirstSeen: 1, LastSeen: 200, PassedAt: 200, Deferred: 1 << 16},
		{FirstSeen: 1, LastSeen: 200, PassedAt: 200, Accepted: 1 << 16},
	} {
		c.committed(0, &changes{triplets: []change{{last, entryPassed(200)}, {last, e}}})
		if c.find(last, &e) {
			t.Errorf("%+v is found", e)
		}
	}
}

// TestCacheClientsAreBounded: of more clients than there is room for, the last is kept.
func TestCacheClientsAreBounded(t *testing.T) {
	c := newModel().cache
	for n := range maxCachedClients + 100 {
		c.putClient(fmt.Sprint(n), nil, c.stamp())
	}
	if n := len(c.clients.rows); n != maxCachedClients {
		t.Errorf("%d rows, want %d", n, maxCachedClients)
	}
	if _, known := c.findClient(fmt.Sprint(maxCachedClients + 99)); !known {
		t.Error("the last client is not known")
	}
}
