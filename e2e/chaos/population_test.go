package chaos

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// triplet is a recipient that a correspondent writes to, and what may be
// remembered of the two. Only who has leased the correspondent may touch it.
type triplet struct {
	envelope
	possible states
	expiries int // of the checker's, so many are accounted for
	lost     bool
	history  []event // the last ones
}

// event is something that happened to a triplet, for people to read.
type event struct {
	from, to time.Time
	what     string
}

const historyKept = 30

func (t *triplet) note(from, to time.Time, format string, args ...any) {
	if len(t.history) == historyKept {
		t.history = append(t.history[:0], t.history[1:]...)
	}
	t.history = append(t.history, event{from, to, fmt.Sprintf(format, args...)})
}

// key is the triplet as the database has it.
func (t *triplet) key() [3]string {
	sender := t.sender
	if sender == "" {
		sender = "<>"
	}
	return [3]string{t.client, sender, t.recipient}
}

// correspondent is a client that writes from one address to some recipients.
type correspondent struct {
	triplets []*triplet
	due      time.Time // when it tries again
	tries    int
}

// population is everybody. Those who have tried often enough are replaced by
// unknown, and stay known for a while for the sake of the database.
type population struct {
	mu      sync.Mutex
	rand    *rand.Rand
	waiting dueHeap
	born    int
	size    int
	all     map[[3]string]*triplet // alive, or not long dead
	dead    []*correspondent       // the oldest first
}

const (
	maxTries = 12
	deadKept = 4000
)

func newPopulation(seed int64, size int) *population {
	p := &population{rand: rand.New(rand.NewPCG(uint64(seed), 1)), size: size, all: make(map[[3]string]*triplet)}
	now := time.Now()
	for range size {
		c := p.newCorrespondent()
		c.due = now.Add(time.Duration(p.rand.Int64N(int64(10 * time.Second))))
		heap.Push(&p.waiting, c)
	}
	return p
}

// lease returns who is due, or nil.
func (p *population) lease() *correspondent {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 || p.waiting[0].due.After(time.Now()) {
		return nil
	}
	return heap.Pop(&p.waiting).(*correspondent)
}

// leaseAny returns a correspondent, due or not, or nil.
func (p *population) leaseAny() *correspondent {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		return nil
	}
	return heap.Remove(&p.waiting, p.rand.IntN(len(p.waiting))).(*correspondent)
}

// free ends a lease; the correspondent tries again after the time.
func (p *population) free(c *correspondent, after time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	lost := false
	for _, t := range c.triplets {
		lost = lost || t.lost
	}
	if c.tries > maxTries || lost {
		p.dead = append(p.dead, c)
		if len(p.dead) > deadKept {
			for _, t := range p.dead[0].triplets {
				delete(p.all, t.key())
			}
			p.dead = p.dead[1:]
		}
		c = p.newCorrespondent()
		after = time.Duration(p.rand.Int64N(int64(time.Second)))
	}
	c.due = time.Now().Add(after)
	heap.Push(&p.waiting, c)
}

// newCorrespondent makes a correspondent of one of the kinds that the rules tell apart.
func (p *population) newCorrespondent() *correspondent {
	p.born++
	n := p.born
	e := envelope{
		client: fmt.Sprintf("203.0.113.%d", n%256),
		helo:   fmt.Sprintf("mx%d.example.com", n),
		sender: fmt.Sprintf("u%d@sender%d.example", n, n%7),
	}
	domain := ourDomain
	switch k := p.rand.IntN(100); {
	case k < 2:
		e.client = "local"
	case k < 12: // of a domain that is blocked at times
		e.sender = fmt.Sprintf("u%d@%s", n, blockable[n%len(blockable)])
	case k < 14:
		e.authenticated = true
	case k < 16:
		e.client = fmt.Sprintf("192.0.2.%d", n%128)
	case k < 18:
		domain = foreignDomain
	case k < 20:
		e.client, e.sender = fmt.Sprintf("198.51.100.%d", n%256), fmt.Sprintf("u%d@%s", n, whiteDomain)
	case k < 22:
		e.client, e.helo = fmt.Sprintf("198.51.100.%d", n%256), whiteHelo
	case k < 32: // a bounce, or a callout
		e.sender = ""
	case k < 34:
		e.sender = fmt.Sprintf("double-bounce@mx%d.example", n)
	}
	c := &correspondent{}
	for i := range 1 + p.rand.IntN(4)*p.rand.IntN(2) {
		r := e
		r.recipient = fmt.Sprintf("%s@%s", locals[i], domain)
		if i > 0 || p.rand.IntN(2) == 0 || e.sender == "" { // else one that may be on the list of exceptions
			r.recipient = fmt.Sprintf("r%d.%d@%s", n, i, domain)
		}
		t := &triplet{envelope: r, possible: states{{}}}
		c.triplets = append(c.triplets, t)
		p.all[t.key()] = t
	}
	return c
}

// blockable are the domains, and locals the recipients, that lists name at times.
var (
	blockable = []string{"spam0.example", "spam1.example", "spam2.example", "spam3.example"}
	locals    = []string{"john", "mary", "postmaster", "abuse"}
)

// dueHeap has those first who are due first.
type dueHeap []*correspondent

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(c any)        { *h = append(*h, c.(*correspondent)) }
func (h *dueHeap) Pop() any {
	old := *h
	c := old[len(old)-1]
	*h = old[:len(old)-1]
	return c
}
