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
	policy      bool // by the policy protocol, rather than by milter
}

// speaker is a mail server's end of a protocol.
type speaker interface {
	connect() error
	attempt(triplet) (accepted bool, took time.Duration, err error) // up to RCPT
	body() error                                                    // the rest of the message
	abort(reuse bool) error                                         // it ends
	quit() error
}

func (as shape) speaker(socket string) speaker {
	if as.policy {
		return &policyClient{socket: socket}
	}
	return &mta{socket: socket}
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

// press has connections send messages to a server for so long.
func press(s *server, l load, p *population, as shape, length time.Duration) (sample, error) {
	before, err := s.cpuOfAll()
	if err != nil {
		return sample{}, err
	}
	done := s.watchDatabase()
	endSearches := s.beginSearches()
	workers := make([]worker, as.connections)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range workers {
		w := &workers[i]
		w.speaker = as.speaker(s.socketOf(i))
		wg.Go(func() { w.err = w.work(l, p, as, began.Add(length)) })
	}
	wg.Wait()
	took := time.Since(began)
	if err := endSearches(); err != nil {
		return sample{}, err
	}
	s.settle(30*time.Millisecond, 2*time.Second) // what it leaves for later is its work too
	after, err := s.cpuOfAll()
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
	done(len(all))
	result.rate = float64(len(all)) / took.Seconds()
	result.cpu = time.Duration(float64(after-before) * 1000 / float64(len(all)))
	result.p50, result.p99, result.p999 = at(0.5), at(0.99), at(0.999)
	result.resident, err = s.resident()
	return result, err
}

// worker is one connection of an MTA at a time.
type worker struct {
	speaker
	took  []time.Duration // of each RCPT
	wrong int
	err   error
}

func (w *worker) work(l load, p *population, as shape, until time.Time) error {
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	open := false
	for time.Now().Before(until) {
		if !open {
			if err := w.connect(); err != nil {
				return err
			}
		}
		t, wanted := l.next(p, random)
		accepted, took, err := w.attempt(t)
		if err != nil {
			return err
		}
		w.took = append(w.took, took)
		if accepted != wanted {
			w.wrong++
		}
		if as.whole && accepted {
			if err := w.body(); err != nil {
				return err
			}
		}
		if err := w.abort(as.reuse); err != nil {
			return err
		}
		open = as.reuse
	}
	if open {
		return w.quit()
	}
	return nil
}

// introduce makes the attempts that a server must know of a population: one for triplets
// that wait, and another one, after a while, for those that are to have passed.
func introduce(s *server, p *population, as shape) error {
	w := as.speaker(s.socket)
	if err := w.connect(); err != nil {
		return err
	}
	for n := range p.rows {
		if _, _, err := w.attempt(tripletOf(n)); err != nil {
			return err
		}
	}
	time.Sleep(2 * time.Second) // longer than either of them makes anybody wait
	for i := range p.rows / 2 {
		if accepted, _, err := w.attempt(tripletOf(passedRow(i))); err != nil || !accepted {
			return errors.Join(err, errors.New("a triplet that came back was not accepted"))
		}
	}
	return w.quit()
}
