// Senders lets the senders that write to a mail server for the first time, and spam
// engines, try to deliver through greyglass and postgrey, in virtual time, each as its
// software does. See 'make senders'.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"greyglass/e2e/build"
	"greyglass/e2e/lab"
)

func main() {
	var s simulation
	var seeds string
	flag.StringVar(&seeds, "seed", "1,2,3", "a population is drawn by each of these numbers")
	flag.IntVar(&s.messages, "messages", 10_000, "first messages of each population")
	flag.StringVar(&s.only, "only", "", "the one to try: a name in the table, or a configuration file of greyglass; empty: all of the table")
	flag.StringVar(&s.program, "greyglass", "", "the program; empty: built from this tree")
	flag.StringVar(&s.results, "results", "", "a file to write the results to, too, and the picture beside it, as .svg")
	flag.Parse()
	var err error
	for text := range strings.SplitSeq(seeds, ",") {
		n, e := strconv.ParseUint(text, 10, 64)
		s.seeds, err = append(s.seeds, n), errors.Join(err, e)
	}
	if err == nil {
		err = s.run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "senders:", err)
		os.Exit(1)
	}
}

// configuration is a program with its settings.
type configuration struct {
	name    string
	prepare func(s *simulation) (version string, err error)
	start   func(s *simulation) (stoppable, error)
}

type stoppable interface {
	judge
	stop() error
}

// greyglass is the program with a configuration file and settings.
func greyglass(name, file string, settings ...string) configuration {
	return configuration{name, (*simulation).build, func(s *simulation) (stoppable, error) { return startReplay(s.program, file, settings) }}
}

var configurations = []configuration{
	greyglass("classic", os.DevNull),
	greyglass("classic, 300 s, provider, normalized", os.DevNull, "greylist.min_defer_time=300s",
		"greylist.client_identity=provider", "greylist.sender_identity=normalized"),
	{"postgrey", preparePostgrey, startPostgrey},
	greyglass("gentle", os.DevNull, "greylist.profile=gentle"),
}

// simulation is one run.
type simulation struct {
	seeds    []uint64
	messages int
	only     string
	program  string
	results  string
	dir      string // for files of this run

	done     []outcome
	skipped  []string
	versions []string
}

// outcome is what became of the populations in a configuration.
type outcome struct {
	name   string
	all    result
	bySeed []result
}

func (s *simulation) run() (err error) {
	if s.dir, err = os.MkdirTemp("", "senders-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	populations := make([]*population, len(s.seeds))
	for i, seed := range s.seeds {
		populations[i] = newPopulation(seed, s.messages)
	}
	tried := configurations
	if s.only != "" {
		tried = slices.DeleteFunc(slices.Clone(tried), func(c configuration) bool { return c.name != s.only })
	}
	if strings.HasSuffix(s.only, ".toml") {
		tried = []configuration{greyglass(s.only, s.only)}
	}
	if len(tried) == 0 {
		return fmt.Errorf("%q is neither a program of the table nor a .toml file", s.only)
	}
	for _, c := range tried {
		version, err := c.prepare(s)
		if errors.Is(err, lab.ErrUnavailable) {
			s.skipped = append(s.skipped, fmt.Sprintf("%s was skipped: %v.", c.name, err))
			continue
		}
		if err == nil {
			err = s.try(c, populations)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if !slices.Contains(s.versions, version) {
			s.versions = append(s.versions, version)
		}
	}
	return s.report(populations)
}

// build builds the program, unless one is given, and returns its version.
func (s *simulation) build() (string, error) {
	if s.program == "" {
		s.program = filepath.Join(s.dir, "greyglass")
		if err := build.Program(s.program); err != nil {
			return "", err
		}
	}
	version, err := exec.Command(s.program, "version").Output()
	return strings.TrimSpace(string(version)), err
}

// try has the populations send to a program.
func (s *simulation) try(c configuration, populations []*population) error {
	fmt.Fprintf(os.Stderr, "%s\n", c.name)
	o := outcome{name: c.name, all: make(result), bySeed: make([]result, len(populations))}
	delays, failed := make([][]int64, len(populations)), make([]error, len(populations))
	var wg sync.WaitGroup
	for i, p := range populations {
		wg.Go(func() {
			j, err := c.start(s)
			if err == nil {
				delays[i], err = run(p, j)
				err = errors.Join(err, j.stop())
			}
			failed[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	for i, p := range populations {
		o.all.add(p, delays[i])
		o.bySeed[i] = make(result)
		o.bySeed[i].add(p, delays[i])
	}
	s.done = append(s.done, o)
	return nil
}
