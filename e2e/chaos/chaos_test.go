package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"greyglass/e2e/build"
	"greyglass/e2e/lab"
)

const (
	workers   = 64
	people    = 3000
	diskSize  = 128 << 20 // the write-ahead log may take half of it
	tellEvery = 10 * time.Second
	memory    = 400 // MB, more than which the daemon never takes; ten times that under the race detector
)

// TestChaos is described at the top of the package.
func TestChaos(t *testing.T) {
	i := setUp(t)
	began := time.Now()
	hung := time.AfterFunc(*duration+5*time.Minute, func() { panic("the chaos test hangs; " + again()) })
	defer hung.Stop()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(again())
		}
	})
	if err := i.begin(); err != nil {
		t.Fatal(err)
	}
	load := gather(workers, func(n int) *worker {
		return &worker{checker: i.checker, places: i.places, people: i.people, proxy: &proxy{i.weather},
			rand: rand.New(rand.NewPCG(uint64(*seed), uint64(1000+n)))}
	})
	ctx, cancel := context.WithTimeout(t.Context(), *duration)
	defer cancel()
	attacks, lift := context.WithCancel(t.Context())
	defer lift()
	for n := range 8 {
		go i.attack(attacks, i.places, rand.New(rand.NewPCG(uint64(*seed), uint64(2000+n))))
	}
	go i.tell(attacks, began)
	i.run(ctx, *seed)
	lift()

	// All faults are over: service recovers by itself, and no sender is locked out.
	i.reloadTo(allSettings[0])
	time.Sleep(recovery)
	errors := i.counts.onError.Load()
	load.stop()
	i.noneLockedOut()
	if more := i.counts.onError.Load() - errors; more > 0 {
		t.Errorf("%d more answers of on_error when all faults were over", more)
	}
	i.finish()
	i.compare(i.places, i.people)
	fmt.Fprintln(os.Stderr, i.summary(began))
}

// again is how to have the same schedule of faults once more.
func again() string {
	return fmt.Sprintf("the same again: go test ./e2e/chaos -count=1 -v -timeout 0 -args -for %v -seed %d", *duration, *seed)
}

// setUp makes the places, the population and the checker.
func setUp(t *testing.T) *injector {
	t.Helper()
	p := newPlaces(t)
	unmount, err := mountDisk(p.disk, diskSize)
	switch {
	case err == nil:
		t.Cleanup(unmount)
	case os.Getenv("GREYGLASS_REQUIRE_ALL") == "1":
		t.Fatalf("no disk of its own: %v", err)
	default:
		t.Logf("without faults of the disk, because there is none of its own: %v", err)
	}
	clock, err2 := newWrongClock(p.clock)
	if err2 != nil {
		t.Fatal(err2)
	}
	first := regime{allSettings[0], newLists()}
	for file, text := range map[string]string{p.config: first.toml(p, false), p.blocked: first.blockedText(), p.exceptions: first.exceptionsText()} {
		if err := lab.ReplaceFile(file, text); err != nil {
			t.Fatal(err)
		}
	}
	return &injector{
		checker: &checker{t: t, clock: clock, inForce: newInForce(first), weather: &weather{}},
		places:  p,
		people:  newPopulation(*seed, people),
		mounted: err == nil,
	}
}

// begin starts the first daemon.
func (i *injector) begin() error {
	d, err := start(i.places, withHook, i.clock.present())
	if err != nil {
		return err
	}
	i.setDaemon(d)
	i.t.Cleanup(func() { i.daemon().kill() })
	go i.watch(d)
	return nil
}

// tell prints the counts now and then, and keeps an eye on the daemon's memory.
func (i *injector) tell(ctx context.Context, began time.Time) {
	most := memory
	if build.Race() {
		most *= 10
	}
	for ctx.Err() == nil {
		for range int(tellEvery / time.Second) {
			pause(ctx, time.Second)
			if u := i.daemon().usage(); u.resident > most {
				i.wrong(nil, "the daemon takes %d MB", u.resident)
			}
		}
		fmt.Fprintln(os.Stderr, i.summary(began))
	}
}

// noneLockedOut makes many attempts again and again, at the right time apart: a correspondent
// who is not let in then, is locked out. On a slow machine many attempts take so long that the
// second comes too late; those that are left are fewer each time.
func (i *injector) noneLockedOut() {
	w := &worker{checker: i.checker, places: i.places, people: i.people, rand: rand.New(rand.NewPCG(uint64(*seed), 9))}
	var some []*correspondent
	for range 250 {
		if c, t := i.leaseKnown(w.rand); t != nil {
			some = append(some, c)
			defer i.people.free(c, time.Second)
		}
	}
	regime := i.inForce.present()
	waiting := func(c *correspondent) *triplet {
		for _, t := range c.triplets {
			_, ruled := regime.rule(&t.envelope)
			if !ruled && !t.lost && slices.ContainsFunc(t.possible, func(s state) bool { return !s.passed }) {
				return t
			}
		}
		return nil
	}
	for rounds := 0; rounds < 5 && len(some) > 0; rounds++ {
		for _, c := range some {
			w.attempt(c)
		}
		time.Sleep(time.Duration(max(regime.windows.tooSoon, regime.windows.minDefer)+1) * time.Second)
		for _, c := range some {
			w.attempt(c)
		}
		some = slices.DeleteFunc(some, func(c *correspondent) bool { return waiting(c) == nil })
	}
	for _, c := range some {
		t := waiting(c)
		i.wrong(t, "locked out: after retries at the right time it is %v", t.possible)
	}
}
