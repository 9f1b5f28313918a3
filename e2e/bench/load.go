package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
)

// triplet is who writes to whom, as the MTA has it.
type triplet struct{ client, sender, recipient string }

// tripletOf is the triplet of a number: plausible, of ordinary length, and never
// that of another number.
func tripletOf(n uint64) triplet {
	mixed := (n + 1) * 0x9e3779b97f4a7c15 // an odd factor: no two numbers become one
	address := uint32(mixed >> 32)
	return triplet{
		client: strconv.Itoa(int(11+address>>24%100)) + "." + strconv.Itoa(int(address>>16&255)) + "." +
			strconv.Itoa(int(address>>8&255)) + "." + strconv.Itoa(int(address&255)),
		sender:    "user" + strconv.FormatUint(n, 36) + "@mail" + strconv.Itoa(int(mixed>>20%5000)) + ".example.net",
		recipient: "name" + strconv.Itoa(int(mixed>>8%3000)) + "@example.org",
	}
}

// nameOf is the name of a client, as a provider calls the lines of its customers.
func nameOf(client string) string {
	return "host-" + strings.ReplaceAll(client, ".", "-") + ".example.net"
}

// The rows of a database that was filled: the number of a waiting triplet is
// even, that of one that has passed is odd.
func waitingRow(i uint64) uint64 { return 2 * i }
func passedRow(i uint64) uint64  { return 2*i + 1 }

// population says which triplets a database knows.
type population struct {
	rows    uint64        // that it was filled with
	unseen  atomic.Uint64 // how many of the others were used
	retried atomic.Uint64 // how many of those waiting were
}

// load is a kind of traffic: it returns a triplet and whether it must be accepted.
type load struct {
	name  string
	about string
	next  func(*population, *rand.Rand) (triplet, bool)
}

var loads = []load{
	{"new", "triplets that were never seen", func(p *population, _ *rand.Rand) (triplet, bool) { return p.unseenTriplet(), false }},
	{"known", "triplets that have passed before", func(p *population, r *rand.Rand) (triplet, bool) { return p.known(r), true }},
	{"skewed", "the same, of which the tenth that was stored last makes nine tenths of the mail", func(p *population, r *rand.Rand) (triplet, bool) { return p.frequent(r), true }},
	{"mix", "80 % new, 15 % known, and 5 % that retry after their wait", func(p *population, r *rand.Rand) (triplet, bool) {
		switch x := r.IntN(100); {
		case x < 80:
			return p.unseenTriplet(), false
		case x < 95:
			return p.known(r), true
		}
		return p.retry(), true
	}},
}

func (p *population) unseenTriplet() triplet { return tripletOf(p.rows + p.unseen.Add(1)) }

func (p *population) known(r *rand.Rand) triplet { return tripletOf(passedRow(r.Uint64N(p.rows / 2))) }

// frequent is a known triplet: nine times in ten of the tenth that was stored last, which the
// daemon's cache has once it is filled.
func (p *population) frequent(r *rand.Rand) triplet {
	passed := p.rows / 2
	if r.IntN(10) > 0 {
		return tripletOf(passedRow(passed - 1 - r.Uint64N(passed/10)))
	}
	return p.known(r)
}

// retry is a waiting triplet that has waited long enough: each once, and not in
// the order in which they came.
func (p *population) retry() triplet {
	const step = 7919 // prime, so that every row is come to
	return tripletOf(waitingRow(p.retried.Add(1) * step % (p.rows / 2)))
}

func loadNamed(name string) (load, error) {
	for _, l := range loads {
		if l.name == name {
			return l, nil
		}
	}
	return load{}, fmt.Errorf("no load is called %q", name)
}
