package main

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// shape is how the load comes.
type shape struct {
	connections int
	reuse       bool // a connection is used for message after message
	whole       bool // messages go on to their end, rather than to RCPT
}

// sample is what was measured in one round.
type sample struct {
	transactions   int
	rate           float64       // transactions a second
	cpu            time.Duration // of the server, for a thousand of them
	p50, p99, p999 time.Duration // of RCPT
	resident       int64         // bytes
	wrong          int           // verdicts
}

// run has connections send messages to a server for so long.
func run(s *server, l load, p *population, as shape, length time.Duration, check bool) (sample, error) {
	before, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	workers := make([]worker, as.connections)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range workers {
		w := &workers[i]
		w.mta.socket = s.socket
		wg.Go(func() { w.err = w.work(l, p, as, began.Add(length), check) })
	}
	wg.Wait()
	took := time.Since(began)
	s.settle(2 * time.Second)
	after, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	var all []time.Duration
	var result sample
	for i := range workers {
		if err := workers[i].err; err != nil {
			return sample{}, err
		}
		all = append(all, workers[i].took...)
		result.wrong += workers[i].wrong
	}
	if len(all) == 0 {
		return sample{}, errors.New("no transaction ended in time")
	}
	slices.Sort(all)
	at := func(share float64) time.Duration { return all[min(len(all)-1, int(share*float64(len(all))))] }
	result.transactions = len(all)
	result.rate = float64(len(all)) / took.Seconds()
	result.cpu = time.Duration(float64(after-before) * 1000 / float64(len(all)))
	result.p50, result.p99, result.p999 = at(0.5), at(0.99), at(0.999)
	result.resident, err = s.resident()
	return result, err
}

// worker is one connection of an MTA at a time.
type worker struct {
	mta   mta
	took  []time.Duration // of each RCPT
	wrong int
	err   error
}

func (w *worker) work(l load, p *population, as shape, until time.Time, check bool) (err error) {
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	open := false
	for time.Now().Before(until) {
		if !open {
			if err := w.mta.connect(); err != nil {
				return err
			}
		}
		t, wanted := l.next(p, random)
		accepted, took, err := w.mta.knock(t)
		if err != nil {
			return err
		}
		w.took = append(w.took, took)
		if check && accepted != wanted {
			w.wrong++
		}
		if as.whole && accepted {
			if err := w.mta.body(); err != nil {
				return err
			}
		}
		if err := w.mta.abort(as.reuse); err != nil {
			return err
		}
		open = as.reuse
	}
	if open {
		return w.mta.quit()
	}
	return nil
}

// median returns the middle one of each figure by itself.
func median(all []sample) sample {
	return sample{
		rate:     middle(all, func(s sample) float64 { return s.rate }),
		cpu:      middle(all, func(s sample) time.Duration { return s.cpu }),
		p50:      middle(all, func(s sample) time.Duration { return s.p50 }),
		p99:      middle(all, func(s sample) time.Duration { return s.p99 }),
		p999:     middle(all, func(s sample) time.Duration { return s.p999 }),
		resident: middle(all, func(s sample) int64 { return s.resident }),
	}
}

func middle[S any, N float64 | int64 | time.Duration](all []S, of func(S) N) N {
	values := make([]N, len(all))
	for i, s := range all {
		values[i] = of(s)
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
