package chaos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// result is what a command left.
type result struct {
	stdout, stderr string
	status         int
	from, to       time.Time
}

// command runs a command of the program beside the daemon.
func (i *injector) command(args ...string) result {
	i.files.RLock()
	defer i.files.RUnlock()
	i.weather.count(fault(args[0]))
	cmd := i.places.command(withHook, args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	r := result{from: time.Now()}
	timer := time.AfterFunc(time.Minute, func() {
		i.wrong(nil, "greyglass %v takes longer than a minute", args)
		_ = cmd.Process.Kill()
	})
	defer timer.Stop()
	_ = cmd.Run()
	r.to = time.Now()
	r.stdout, r.stderr, r.status = out.String(), errs.String(), cmd.ProcessState.ExitCode()
	if r.status != 0 && !i.weather.storeMayFail(r.from, r.to) && !strings.Contains(r.stderr, "nothing is known") {
		i.wrong(nil, "greyglass %v: status %d: %s", args, r.status, r.stderr)
	}
	return r
}

// leaseKnown leases a correspondent with a stored triplet, and returns both.
func (i *injector) leaseKnown(r *rand.Rand) (*correspondent, *triplet) {
	for range 20 {
		c := i.people.leaseAny()
		if c == nil {
			break
		}
		if t := c.triplets[r.IntN(len(c.triplets))]; t.client != "local" && !t.lost {
			return c, t
		}
		i.people.free(c, time.Second)
	}
	return nil, nil
}

// onTriplet runs a command that changes a stored triplet.
func (i *injector) onTriplet(r *rand.Rand, command string, then func(t *triplet, r result)) {
	c, t := i.leaseKnown(r)
	if t == nil {
		return
	}
	defer i.people.free(c, time.Duration(r.IntN(4000))*time.Millisecond)
	i.gate.RLock()
	defer i.gate.RUnlock()
	key := t.key()
	done := i.command(command, key[0], key[1], key[2])
	i.account(t, done.from, done.to)
	then(t, done)
	t.note(done.from, done.to, "%s: status %d %s, then %v", command, done.status, done.stderr, t.possible)
}

func (i *injector) pass(r *rand.Rand) {
	i.onTriplet(r, "pass", func(t *triplet, done result) {
		var after states
		if done.status != 0 {
			after = t.possible
		}
		for _, m := range i.clock.readings(done.from, done.to) {
			after = after.with(state{known: true, passed: true, at: m.now, epoch: m.epoch})
		}
		t.possible = after
	})
}

func (i *injector) forget(r *rand.Rand) {
	i.onTriplet(r, "forget", func(t *triplet, done result) {
		was := map[bool]bool{}
		for _, s := range t.possible {
			was[s.known] = true
		}
		switch {
		case done.status == 0 && !was[true]:
			i.wrong(t, "something was forgotten where nothing was known")
		case strings.Contains(done.stderr, "nothing is known") && !was[false] && !i.sweptAway(t, done.to):
			i.lost(t, "forget says that nothing is known; it may be %v", t.possible)
		case done.status == 0 || strings.Contains(done.stderr, "nothing is known"):
			t.possible = states{{}}
		default:
			t.possible = t.possible.with(state{})
		}
	})
}

func (i *injector) expire(*rand.Rand) {
	done := i.expires(time.Now())
	defer done()
	i.command("expire")
}

// backup makes a copy while all goes on, and opens it.
func (i *injector) backup(*rand.Rand) {
	file := filepath.Join(i.places.dir, fmt.Sprintf("backup-%d.db", time.Now().UnixNano()))
	defer os.Remove(file)
	if i.command("backup", file).status != 0 {
		return
	}
	if _, err := readRows(file); err != nil {
		i.wrong(nil, "a backup cannot be read: %v", err)
	}
}

// look reads, as administrators do.
func (i *injector) look(r *rand.Rand) {
	args := [][]string{
		{"list", "--json", "--limit", "500"},
		{"stats", "--json"},
		{"list", "--waiting", "--client", "203.0.113.7", "--json"},
	}[r.IntN(3)]
	done := i.command(args...)
	if done.status == 0 && !json.Valid([]byte(done.stdout)) {
		i.wrong(nil, "greyglass %v prints no JSON: %s", args, done.stdout)
	}
}
