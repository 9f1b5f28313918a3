package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"greyglass/e2e/lab"
)

// block is a way in which load comes, and the programs that it comes to. The
// others' figures are also given as parts of the first one's.
type block struct {
	name     string
	about    string
	as       shape
	programs []string
	loads    string // which alone make sense; empty: all
}

var blocks = []block{
	{name: "message", about: "a connection for each message, up to RCPT", programs: []string{"no-op", "greyglass"}},
	{name: "reused", about: "message after message on a connection, up to RCPT", as: shape{reuse: true}, programs: []string{"no-op", "greyglass"}},
	{name: "whole", about: "accepted mail, a connection for each, through its end", as: shape{whole: true}, programs: []string{"no-op", "greyglass"}, loads: "known"},
	{name: "lone", about: "one connection at a time", as: shape{connections: 1}, programs: []string{"no-op", "greyglass"}},
	{name: "expiry", about: "as message, while all that the database holds is expired", programs: []string{"greyglass", "expiring"}, loads: "new"},
	{name: "searches", about: "as message, while the web page is searched five times a second, by what every block of the database has, and by what none has", programs: []string{"greyglass", "searched"}},
	{name: "postgres", about: "as message, with PostgreSQL on the same machine: one daemon, and three that share it, each with its part of the cores (GOMAXPROCS)", programs: []string{"greyglass", "postgres", "postgres-three"}},
	{name: "gentle", about: "as message, with greylist.profile = \"gentle\" and the SPF records of 5000 domains in the cache: gentle, which pass nine in ten of the clients; gentle-suspicious, which pass none and have names of customers' lines, so that the rules of suspicious mail are asked, and the greylist", programs: []string{"greyglass", "gentle", "gentle-suspicious"}},
	{name: "milters", about: "as message, beside the peer that is a milter", programs: []string{"no-op", "milter-greylist", "greyglass"}},
	{name: "policy", about: "by the policy protocol, on connections that stay", as: shape{policy: true, reuse: true}, programs: []string{"postgrey", "sqlgrey", "greyglass"}},
}

func blockNames() string {
	var names []string
	for _, b := range blocks {
		names = append(names, b.name+" ("+b.about+")")
	}
	return strings.Join(names, ", ")
}

func blockNamed(name string) (block, error) {
	for _, b := range blocks {
		if b.name == name {
			return b, nil
		}
	}
	return block{}, fmt.Errorf("no block is called %q", name)
}

// shapes are those of the block with as many connections as are asked for.
func (bl block) shapes(b *bench) (all []shape) {
	if bl.as.connections > 0 {
		return []shape{bl.as}
	}
	for _, n := range b.connections {
		as := bl.as
		as.connections = n
		all = append(all, as)
	}
	return all
}

// run is a block that is being measured.
type run struct {
	*bench
	block block
	as    shape
	size  uint64
	full  string // the database with all triplets

	entries []*entry
}

// entry is a program in it.
type entry struct {
	program
	server     *server
	population *population
	samples    []sample
}

// fewRows is how many triplets a program knows that must be told of each.
const fewRows = 1_000

func (r *run) measure() (err error) {
	database := filepath.Join(r.dir, "greyglass.db")
	defer func() {
		for _, e := range r.entries {
			err = errors.Join(err, e.server.stop())
		}
		for _, name := range []string{"greyglass.db", "expired.db", "searched.db", "gentle.db", "gentle-suspicious.db"} {
			for _, suffix := range []string{"", "-wal", "-shm"} {
				_ = os.Remove(filepath.Join(r.dir, name+suffix))
			}
		}
	}()
	if err := lab.CopyFile(r.full, database); err != nil {
		return err
	}
	for _, name := range r.block.programs {
		if name == "milter-greylist" && r.milterGreylist == "" {
			r.fact("milter-greylist was not measured: name its program by -milter-greylist.")
			continue
		}
		e := &entry{program: programNamed(name), population: &population{rows: max(r.size, smallest)}}
		if e.server, err = e.start(r.bench, database, r.as); err != nil {
			return err
		}
		r.entries = append(r.entries, e)
		if e.slow {
			e.population.rows = fewRows
			say("\rtelling %s of %d triplets        ", e.name, fewRows)
			if err := introduce(e.server, e.population, r.as); err != nil {
				return fmt.Errorf("%s: %w", e.name, err)
			}
		}
		if name == "greyglass" && r.as.connections == 1 {
			r.fact("With %s triplets, greyglass answers %s after its start.", grouped(r.size), e.server.upIn.Round(time.Millisecond))
		}
		if !e.busy {
			e.server.settle(300*time.Millisecond, 10*time.Minute) // it checks and reads a database that it finds, at a tenth of a processor
		}
	}
	for _, l := range r.loads {
		if r.block.loads != "" && r.block.loads != l.name {
			continue
		}
		if err := r.load(l); err != nil {
			return err
		}
	}
	return nil
}

// load measures all programs under one load, in turn.
func (r *run) load(l load) error {
	began := time.Now()
	for _, e := range r.entries {
		e.samples = nil
		warming := r.length / 4
		if strings.HasPrefix(e.name, "gentle") {
			warming = 3 * time.Second // until each domain's record is in its cache
		}
		if _, err := press(e.server, l, e.population, r.as, warming); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	for round := range r.rounds {
		say("\r%s triplets, %s, %d connections, %s: round %d of %d        ", grouped(r.size), r.block.name, r.as.connections, l.name, round+1, r.rounds)
		for i := range r.entries {
			e := r.entries[(i+round)%len(r.entries)]
			s, err := press(e.server, l, e.population, r.as, r.length)
			if err != nil {
				return fmt.Errorf("%s: %w", e.name, err)
			}
			e.samples = append(e.samples, s)
		}
	}
	if r.block.name == "expiry" {
		n, err := left(filepath.Join(r.dir, "expired.db"))
		if err != nil {
			return err
		}
		r.fact("While %d connections were measured, %d triplets a second were expired.", r.as.connections,
			int64(float64(int64(max(r.size, smallest))-n)/time.Since(began).Seconds()))
	}
	base := r.entries[0]
	for _, e := range r.entries {
		line := newRow(e.samples, base.samples)
		line.size, line.block, line.connections, line.load, line.program = r.size, r.block.name, r.as.connections, l.name, e.name
		if share := e.server.databaseTime(); share > 0 {
			r.fact("With %s triplets, %d connections, %s, %s: PostgreSQL itself took %s of processor time for 1000 transactions, warming up included.",
				grouped(r.size), r.as.connections, l.name, e.name, milliseconds(share*1000/time.Duration(e.server.transactions)))
			e.server.transactions = 0
		}
		line.checked = e.name != "no-op" && !e.other
		if e.slow {
			line.size = fewRows
		}
		r.rows = append(r.rows, line)
		say("\r%s\n", line)
	}
	return nil
}
