// Bench measures the daemon, under the load of a mail server and beside a filter
// that does nothing, and prints one table. See 'make bench'.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	var b bench
	var sizes, connections, kinds string
	flag.IntVar(&b.rounds, "rounds", 5, "how many times each pair is measured; the median counts")
	flag.DurationVar(&b.length, "length", time.Second, "how long one measurement takes")
	flag.StringVar(&sizes, "sizes", "0,1000000", "how many triplets the database has")
	flag.StringVar(&connections, "connections", "16,64", "how many connections there are at a time")
	flag.StringVar(&kinds, "loads", "new,known,mix", "which loads")
	flag.StringVar(&b.blocks, "blocks", "message,reused,whole,lone", "which blocks: a connection a message, reused ones, accepted mail to its end, a lone session")
	flag.StringVar(&b.binary, "greyglass", "", "the daemon to measure; empty: built from this tree")
	flag.StringVar(&b.results, "results", "", "a file to write the results to, too")
	flag.Parse()
	err := errors.Join(numbers(sizes, &b.sizes), numbers(connections, &b.connections))
	for name := range strings.SplitSeq(kinds, ",") {
		l, e := loadNamed(name)
		b.loads, err = append(b.loads, l), errors.Join(err, e)
	}
	if err == nil {
		err = b.all()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func numbers[N int | uint64](list string, into *[]N) error {
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return fmt.Errorf("%q is not a list of numbers", list)
		}
		*into = append(*into, N(n))
	}
	return nil
}

// bench is one run.
type bench struct {
	rounds      int
	length      time.Duration
	sizes       []uint64
	connections []int
	loads       []load
	blocks      string
	binary      string
	results     string

	dir   string // for everything; its name is short, for the sockets
	rows  []row
	facts []string // what is no row of the table
}

// smallest is how many rows even the smallest database has, since known ones and
// retries need some.
const smallest = 20_000

func (b *bench) all() (err error) {
	began := time.Now()
	if b.dir, err = os.MkdirTemp("", "ggb-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := b.build(); err != nil {
		return err
	}
	for _, size := range b.sizes {
		if err := b.size(size); err != nil {
			return err
		}
	}
	text := b.report(time.Since(began))
	fmt.Print("\n", text)
	if b.results != "" {
		return os.WriteFile(b.results, []byte(text), 0o644)
	}
	return nil
}

// say shows progress.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format, args...) }

func (b *bench) build() error {
	say("building\n")
	programs := map[string]string{"noop": "greyglass/e2e/bench/noop", "greyglass": "greyglass/cmd/greyglass"}
	for name, from := range programs {
		if name == "greyglass" && b.binary != "" {
			if err := copyFile(b.binary, filepath.Join(b.dir, name)); err != nil {
				return err
			}
			if err := os.Chmod(filepath.Join(b.dir, name), 0o755); err != nil {
				return err
			}
			continue
		}
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(b.dir, name), from)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("building %s: %w", name, err)
		}
	}
	return nil
}

// size measures with a database of a size.
func (b *bench) size(size uint64) error {
	rows := max(size, smallest)
	full := filepath.Join(b.dir, "full.db")
	began := time.Now()
	err := fill(full, rows, began, func(done uint64) { say("\rfilling a database of %d rows: %d", rows, done) })
	if err != nil {
		return err
	}
	info, err := os.Stat(full)
	if err != nil {
		return err
	}
	say("\rfilled a database of %d rows in %s                  \n", rows, time.Since(began).Round(100*time.Millisecond))
	if size >= 1_000_000 {
		b.facts = append(b.facts, fmt.Sprintf("%s triplets take %.1f bytes each on the disk.", grouped(size), float64(info.Size())/float64(rows)))
	}
	defer os.Remove(full)
	for block := range strings.SplitSeq(b.blocks, ",") {
		if err := b.block(block, size, rows, full); err != nil {
			return fmt.Errorf("%s: %w", block, err)
		}
	}
	return nil
}

func (b *bench) block(name string, size, rows uint64, full string) error {
	connections, loads := b.connections, b.loads
	var as shape
	switch name {
	case "message":
	case "reused":
		as.reuse = true
	case "whole":
		as.whole = true
		loads = nil
		for _, l := range b.loads {
			if l.name == "known" {
				loads = append(loads, l)
			}
		}
	case "lone":
		connections = []int{1}
	default:
		return errors.New("no such block")
	}
	for _, n := range connections {
		as.connections = n
		if err := b.pairs(name, size, rows, full, as, loads); err != nil {
			return err
		}
	}
	return nil
}

// pairs measures both programs in turn, on a fresh copy of the database.
func (b *bench) pairs(block string, size, rows uint64, full string, as shape, loads []load) (err error) {
	database := filepath.Join(b.dir, "greyglass.db")
	if err := copyFile(full, database); err != nil {
		return err
	}
	defer func() {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			_ = os.Remove(database + suffix)
		}
	}()
	noop, err := startNoop(b.dir, b.dir, as.whole)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, noop.stop()) }()
	greyglass, err := startGreyglass(b.dir, b.dir, database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, greyglass.stop()) }()
	greyglass.settle(time.Minute) // it checks a database that it finds
	if block == "lone" {
		b.facts = append(b.facts, fmt.Sprintf("With %s triplets the daemon answers %s after its start.", grouped(size), greyglass.upIn.Round(time.Millisecond)))
	}
	p := &population{rows: rows}
	for _, l := range loads {
		r := row{size: size, block: block, connections: as.connections, load: l.name}
		// Both warm up, and the first seconds are nobody's.
		for _, s := range []*server{noop, greyglass} {
			if _, err := run(s, l, p, as, b.length/4, false); err != nil {
				return err
			}
		}
		var noops, ours []sample
		for round := range b.rounds {
			say("\r%s rows, %s, %d connections, %s: round %d of %d        ", grouped(size), block, as.connections, l.name, round+1, b.rounds)
			measure := []func() error{
				func() error {
					s, err := run(noop, l, p, as, b.length, false)
					noops = append(noops, s)
					return err
				},
				func() error {
					s, err := run(greyglass, l, p, as, b.length, true)
					ours = append(ours, s)
					return err
				},
			}
			for i := range measure {
				if err := measure[(i+round)%2](); err != nil {
					return err
				}
			}
		}
		r.finish(noops, ours)
		b.rows = append(b.rows, r)
		say("\r%s\n", r.line())
	}
	return nil
}
