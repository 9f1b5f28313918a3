package main

import (
	"bufio"
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"greyglass/e2e/lab"
)

// TestCosts: what a message costs the daemon, on whatever machine, so that a change that
// costs more is seen at once. What the scheduler of Go asks of the kernel depends on the
// machine's load and is not counted.
func TestCosts(t *testing.T) {
	lab.Require(t)
	o := observe(t)
	o.cost("known", shape{connections: 1, reuse: true}, 160) // which grows what will be used again
	o.atMost("known", shape{connections: 16}, 640, limits{allocations: 200, handOffs: 10, calls: 14})
	o.atMost("known", shape{connections: 1, reuse: true}, 1600, limits{allocations: 130, handOffs: 4, calls: 5})
	o.atMost("new", shape{connections: 16}, 640, limits{allocations: 260, handOffs: 14, calls: 30, database: 20, commits: 0.5, written: 24_000})
}

// limits are what each of some messages may cost the daemon.
type limits struct {
	allocations float64
	handOffs    float64 // a goroutine runs that did not run before
	calls       float64 // system calls
	database    float64 // of them on the files of the database
	commits     float64
	written     int // octets
}

// atMost fails the test if a message costs more each time that it is measured. What the
// daemon does once a second falls on few messages where the machine is slow, and then only
// now and then.
func (o *observed) atMost(kind string, as shape, messages int, most limits) {
	o.t.Helper()
	const times = 6
	for n := range times {
		c := o.cost(kind, as, messages)
		o.t.Log(c)
		beyond := c.beyond(most)
		if beyond == nil {
			return
		}
		if n == times-1 {
			o.t.Errorf("%s, each of %d times: %s", c.name, times, strings.Join(beyond, ", "))
		}
	}
}

// scheduling are the system calls of Go's scheduler and collector of garbage.
var scheduling = []string{"nanosleep", "futex", "epoll_pwait", "sched_yield", "getpid", "gettid", "tgkill", "rt_sigreturn",
	"rt_sigprocmask", "sigaltstack", "sched_getaffinity", "madvise", "mmap", "munmap", "clone", "clone3"}

// costs are what each of some messages has cost the daemon.
type costs struct {
	name        string
	messages    int
	allocations float64
	handOffs    float64
	calls       map[string]int // system calls of all the messages, by their names
	written     int            // octets of the database's files
}

// of returns how often a message has made any of the calls.
func (c costs) of(calls ...string) float64 {
	sum := 0
	for _, call := range calls {
		sum += c.calls[call]
	}
	return float64(sum) / float64(c.messages)
}

// names returns the system calls that are counted, the most frequent first.
func (c costs) names() []string {
	names := slices.DeleteFunc(slices.Collect(maps.Keys(c.calls)), func(name string) bool { return slices.Contains(scheduling, name) })
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(c.calls[b], c.calls[a]), cmp.Compare(a, b)) })
	return names
}

func (c costs) String() string {
	var each strings.Builder
	for _, name := range c.names() {
		fmt.Fprintf(&each, " %s %.2f", name, c.of(name))
	}
	return fmt.Sprintf("%s: %.1f allocations, %.1f hand-offs, %d octets written, %.1f system calls:%s", c.name, c.allocations, c.handOffs, c.written, c.of(c.names()...), each.String())
}

// beyond returns what was more than it may be.
func (c costs) beyond(most limits) (beyond []string) {
	for _, cost := range []struct {
		what       string
		cost, most float64
	}{
		{"allocations", c.allocations, most.allocations},
		{"hand-offs to a goroutine", c.handOffs, most.handOffs},
		{"system calls", c.of(c.names()...), most.calls},
		{"system calls on the database", c.of("pread64", "pwrite64", "fcntl", "fsync"), most.database + 0.1}, // some once a second
		{"commits", c.of("fsync"), most.commits + 0.05},
		{"octets written", float64(c.written), float64(most.written) + 100},
	} {
		if cost.cost > cost.most {
			beyond = append(beyond, fmt.Sprintf("%.2f %s, want at most %.2f", cost.cost, cost.what, cost.most))
		}
	}
	return beyond
}

// observed is a daemon under strace(1).
type observed struct {
	*server
	t       *testing.T
	trace   string // its file
	metrics string // their address
	p       *population
}

// observe starts a daemon whose database knows triplets.
func observe(t *testing.T) *observed {
	t.Helper()
	dir, err := os.MkdirTemp("", "ggc-") // short, for the sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b := &bench{dir: dir, binary: lab.Program()}
	if err := b.build(); err != nil {
		t.Fatal(err)
	}
	database := filepath.Join(dir, "greyglass.db")
	const rows = 2000 // so few that the check at the start and what else reads them is soon over
	if err := fill(database, rows, time.Now(), func(uint64) {}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	o := &observed{t: t, trace: filepath.Join(dir, "trace"), metrics: "http://" + address + "/metrics", p: &population{rows: rows}}
	b.under = lab.Command(lab.Strace, "-D", "-f", "-qq", "-ttt", "-s", "0", "-o", o.trace) // -D: the process that is started is the daemon
	if o.server, err = startDaemon(b, "greyglass", "sqlite:"+database, 0, shape{}, fmt.Sprintf("GREYGLASS_LISTEN__HTTP=%q", address)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.stop(); err != nil {
			t.Error(err)
		}
	})
	o.settle(300*time.Millisecond, time.Minute)
	return o
}

// cost has so many messages sent.
func (o *observed) cost(kind string, as shape, messages int) costs {
	o.t.Helper()
	l, err := loadNamed(kind)
	if err != nil {
		o.t.Fatal(err)
	}
	c := costs{messages: messages, calls: make(map[string]int),
		name: fmt.Sprintf("%s, %d connections, used again: %v", kind, as.connections, as.reuse)}
	first := o.spent()
	before, began := o.spent(), time.Now()
	asking := before.minus(first) // is what a question about the metrics takes
	var wg sync.WaitGroup
	for i := range as.connections {
		wg.Go(func() {
			if err := o.send(as, l, uint64(i), messages/as.connections); err != nil {
				o.t.Error(err)
			}
		})
	}
	wg.Wait()
	o.settle(50*time.Millisecond, 2*time.Second)
	ended := time.Now()
	used := o.spent().minus(before).minus(asking)
	c.allocations, c.handOffs = used.allocations/float64(messages), used.handOffs/float64(messages)
	o.count(&c, began, ended)
	return c
}

// send sends messages on one connection at a time.
func (o *observed) send(as shape, l load, seed uint64, messages int) error {
	random := rand.New(rand.NewPCG(seed, 1))
	mta := as.speaker(o.socket)
	for n := range messages {
		if n == 0 || !as.reuse {
			if err := mta.connect(); err != nil {
				return err
			}
		}
		triplet, wanted := l.next(o.p, random)
		accepted, _, err := mta.attempt(triplet)
		if err != nil {
			return err
		}
		if accepted != wanted {
			return fmt.Errorf("%v: accepted: %v", triplet, accepted)
		}
		if err := mta.abort(as.reuse && n < messages-1); err != nil {
			return err
		}
	}
	return nil
}

// spent is what the daemon has used of Go's runtime since its start.
type spent struct{ allocations, handOffs float64 }

func (s spent) minus(other spent) spent {
	return spent{s.allocations - other.allocations, s.handOffs - other.handOffs}
}

// One in so many hand-offs is in the histogram of their latencies (gTrackingPeriod in Go's
// runtime2.go).
const handOffsTracked = 8

// spent asks the metrics of the daemon.
func (o *observed) spent() (s spent) {
	o.t.Helper()
	response, err := http.Get(o.metrics)
	if err != nil {
		o.t.Fatal(err)
	}
	defer response.Body.Close()
	wanted := map[string]func(float64){
		"go_memstats_mallocs_total":        func(n float64) { s.allocations = n },
		"go_sched_latencies_seconds_count": func(n float64) { s.handOffs = n * handOffsTracked },
	}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if take := wanted[name]; take != nil {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				o.t.Fatal(err)
			}
			take(n)
			delete(wanted, name)
		}
	}
	if len(wanted) > 0 {
		o.t.Fatalf("the metrics lack %v", slices.Sorted(maps.Keys(wanted)))
	}
	return s
}

// A line of strace is a call, the beginning of one, or its end.
var (
	tracedCall = regexp.MustCompile(`^\d+ +(\d+\.\d+) (\w+)\(`)
	tracedSize = regexp.MustCompile(`^\d+ +(\d+\.\d+) (?:pwrite64\(|<\.\.\. pwrite64 resumed>).* = (\d+)$`)
)

// count adds the system calls of a time.
func (o *observed) count(c *costs, began, ended time.Time) {
	o.t.Helper()
	f, err := os.Open(o.trace)
	if err != nil {
		o.t.Fatal(err)
	}
	defer f.Close()
	then := func(text string) bool {
		at, err := strconv.ParseFloat(text, 64)
		return err == nil && at >= float64(began.UnixMicro())/1e6 && at <= float64(ended.UnixMicro())/1e6
	}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if m := tracedCall.FindStringSubmatch(lines.Text()); m != nil && then(m[1]) {
			c.calls[m[2]]++
		}
		if m := tracedSize.FindStringSubmatch(lines.Text()); m != nil && then(m[1]) {
			n, _ := strconv.Atoi(m[2])
			c.written += n
		}
	}
	c.written /= c.messages
}
