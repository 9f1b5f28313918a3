// Bench measures the daemon, under the load of a mail server and beside a filter
// that does nothing or beside other daemons of its kind, and prints one table. See
// 'make bench' and 'make bench-peers'.
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

	"greyglass/e2e/lab"
	"greyglass/e2e/nameserver"
)

func main() {
	var b bench
	var sizes, connections, kinds, names string
	flag.IntVar(&b.rounds, "rounds", 5, "how many times each is measured, in turn; the median counts")
	flag.DurationVar(&b.length, "length", 700*time.Millisecond, "how long one measurement takes")
	flag.StringVar(&sizes, "sizes", "0,1000000", "how many triplets the database has")
	flag.StringVar(&connections, "connections", "16,64", "how many connections there are at a time")
	flag.StringVar(&kinds, "loads", "new,known,mix", "which loads")
	flag.StringVar(&names, "blocks", "message,reused,whole,lone,postgres", "which blocks: "+blockNames())
	flag.StringVar(&b.binary, "greyglass", "", "the daemon to measure; empty: built from this tree")
	flag.StringVar(&b.milterGreylist, "milter-greylist", "", "the program milter-greylist, for the block milters; Debian 12 has no package of it")
	flag.StringVar(&b.results, "results", "", "a file to write the results to, too")
	flag.StringVar(&b.parent, "dir", "/var/tmp", "where the databases are while it runs; its file system is part of what is measured")
	flag.Parse()
	err := errors.Join(numbers(sizes, &b.sizes), numbers(connections, &b.connections))
	for name := range strings.SplitSeq(kinds, ",") {
		l, e := loadNamed(name)
		b.loads, err = append(b.loads, l), errors.Join(err, e)
	}
	for name := range strings.SplitSeq(names, ",") {
		block, e := blockNamed(name)
		b.blocks, err = append(b.blocks, block), errors.Join(err, e)
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
	blocks      []block
	binary      string

	milterGreylist string // empty: it is not measured

	results string
	parent  string

	postgres   *postgres                     // started when it is first needed
	names      map[string]*nameserver.Server // the same, by program
	rowsWanted uint64                        // of every database, now

	under *exec.Cmd // that runs the daemon; nil: nothing does

	dir   string // for everything; its name is short, for the sockets
	rows  []row
	facts []string // what is no row of the table
}

func (b *bench) all() (err error) {
	began := time.Now()
	if b.dir, err = os.MkdirTemp(b.parent, "ggb-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	defer func() { b.postgres.stop() }()
	b.names = make(map[string]*nameserver.Server)
	defer func() {
		for _, names := range b.names {
			names.Close()
		}
	}()
	if err := b.build(); err != nil {
		return err
	}
	for _, block := range b.blocks {
		if err := block.prepare(); err != nil {
			return err
		}
	}
	machine, err := describeMachine(b.dir)
	if err != nil {
		return err
	}
	for _, size := range b.sizes {
		if err := b.size(size); err != nil {
			return err
		}
	}
	text := report(machine, b.rows, append(b.facts, fmt.Sprintf("Measured in %s, each figure in %d rounds of %s.",
		time.Since(began).Round(time.Second), b.rounds, b.length)))
	fmt.Print("\n", text)
	if b.results != "" {
		return os.WriteFile(b.results, []byte(text), 0o644)
	}
	return nil
}

// say shows progress.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format, args...) }

func (b *bench) fact(format string, args ...any) {
	b.facts = append(b.facts, fmt.Sprintf(format, args...))
}

func (b *bench) build() error {
	say("building\n")
	programs := map[string]string{"noop": "greyglass/e2e/bench/noop", "greyglass": "greyglass/cmd/greyglass"}
	for name, from := range programs {
		path := filepath.Join(b.dir, name)
		if name == "greyglass" && b.binary != "" {
			if err := errors.Join(lab.CopyFile(b.binary, path), os.Chmod(path, 0o755)); err != nil {
				return err
			}
			continue
		}
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, from)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("building %s: %w", name, err)
		}
	}
	return nil
}

// fullName is that of the database that is copied for each block.
const fullName = "full.db"

// smallest is how many rows even the smallest database has, since known ones and
// retries need some.
const smallest = 20_000

// size measures with a database of a size.
func (b *bench) size(size uint64) error {
	full, rows := filepath.Join(b.dir, fullName), max(size, smallest)
	b.rowsWanted = rows
	began := time.Now()
	err := fill(full, rows, began, func(done uint64) { say("\rfilling a database of %s triplets: %s", grouped(rows), grouped(done)) })
	if err != nil {
		return err
	}
	defer os.Remove(full)
	say("\rfilled a database of %s triplets in %s        \n", grouped(rows), time.Since(began).Round(100*time.Millisecond))
	if info, err := os.Stat(full); err == nil && size > 0 {
		b.fact("%s triplets take %.0f bytes each on the disk.", grouped(size), float64(info.Size())/float64(rows))
	}
	for _, block := range b.blocks {
		for _, as := range block.shapes(b) {
			r := &run{bench: b, block: block, as: as, size: size, full: full}
			err := r.measure()
			if errors.Is(err, lab.ErrUnavailable) {
				b.fact("The block %s was left out: %v.", block.name, err)
				break
			}
			if err != nil {
				return fmt.Errorf("%s: %w", block.name, err)
			}
		}
	}
	return nil
}
