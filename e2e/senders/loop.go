package main

import (
	"container/heap"
	"math/rand/v2"
)

// attempt is one of a message's attempts to be delivered.
type attempt struct {
	time   int64
	client client
	*message
}

// judge is a program that greylists.
type judge interface {
	accepts(attempt) (bool, error)
}

// run lets each message try until the judge accepts it or its sender gives up. It
// returns how long each was delayed, in seconds, or lost.
func run(p *population, j judge) ([]int64, error) {
	delays := make([]int64, len(p.messages))
	q := &events{}
	for i, m := range p.messages {
		delays[i] = lost
		heap.Push(q, event{time: m.began, message: i})
	}
	for q.Len() > 0 {
		e := heap.Pop(q).(event)
		m := p.messages[e.message]
		ok, err := j.accepts(attempt{time: e.time, client: p.clientOf(m, e.tried), message: m})
		if err != nil {
			return nil, err
		}
		if ok {
			delays[e.message] = e.time - m.began
			continue
		}
		e.tried++
		if age, again := m.kind.tries.next(e.tried, e.age, m.began, m.from.queue); again {
			e.age = age
			e.time = max(m.began+age+m.jitter(e.tried), e.time)
			heap.Push(q, e)
		}
	}
	return delays, nil
}

// clientOf is the client of an attempt of a message.
func (p *population) clientOf(m *message, tried int) client {
	rng := rand.New(rand.NewPCG(m.seed, uint64(tried)))
	switch {
	case m.kind.others && tried > 0:
		return p.organisation(m.kind, rng.IntN(p.hosts(m.kind))).clients[0]
	case m.kind.from.hosts > 0:
		return m.kind.from.client(m.pool + rng.IntN(max(m.kind.from.draw, 1)))
	}
	return m.from.clients[rng.IntN(len(m.from.clients))]
}

// jitter is a second more or less that an attempt takes to reach RCPT.
func (m *message) jitter(tried int) int64 {
	return rand.New(rand.NewPCG(m.seed, uint64(tried)<<32)).Int64N(3) - 1
}

// event is an attempt to come.
type event struct {
	time    int64 // Unix time
	message int   // its index
	tried   int   // attempts before
	age     int64 // that it was meant to have then; its time differs by a moment
}

// events is a heap, by time.
type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return q[i].time < q[j].time || q[i].time == q[j].time && q[i].message < q[j].message
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(e any)   { *q = append(*q, e.(event)) }
func (q *events) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// helo is the name by which the client greets.
func (a attempt) helo() string {
	if a.client.name != "" {
		return a.client.name
	}
	return "mail." + a.from.domain
}
