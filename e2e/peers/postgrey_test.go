package peers

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greyglass/e2e/lab"
)

type triplet struct{ client, sender, recipient string }

// TestPostgrey: a real postgrey is driven through histories of up to a month, terminated
// and imported. Then it is started again, and both are asked about each triplet: they
// answer the same, unless the import has skipped it.
func TestPostgrey(t *testing.T) {
	lab.Require(t)
	const windows = "too_soon = 0\nmin_defer_time = \"300s\"\nmax_defer_time = \"2d\"\nmax_grey = \"35d\"\n"
	for _, c := range []struct {
		name, greylist string
		postgrey       []string
		many           int
		killed         bool             // postgrey's files are not whole
		exact          func(i int) bool // of a triplet: it can be taken over
	}{
		{"by subnet", windows + "client_prefix_ipv4 = 24\n", nil, 1600, false, func(i int) bool { return !numbered(i) }},
		{"by subnet, normalized", windows + "client_prefix_ipv4 = 24\nsender_identity = \"normalized\"\n", nil, 800, false, func(i int) bool { return i%8 != 5 }},
		{"by host", windows, []string{"--lookup-by-host"}, 400, true, func(i int) bool { return !numbered(i) }},
		{"by subnet, whole addresses here", windows, nil, 400, false, func(i int) bool { return !numbered(i) && i%4 == 3 }}, // IPv6 alone
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, c.greylist, "")
			s.start().stop() // which creates the database
			home := peerHome(t)
			args := append([]string{"--auto-whitelist-clients=0"}, c.postgrey...)
			p := startPostgrey(t, home, args...)
			random := rand.New(rand.NewPCG(1, 2))
			for i := range c.many {
				p.history(random, drivenTriplet(i))
			}
			if c.killed {
				_ = p.cmd.Process.Kill()
				_ = p.cmd.Wait()
			} else {
				p.stop()
			}

			summary := s.run("import", "postgrey", home)
			t.Log(summary)
			again := s.run("import", "postgrey", home)
			if !strings.Contains(again, "taken over: 0 triplets, 0 clients\n") {
				t.Errorf("the second import:\n%s", again)
			}
			p, g := startPostgrey(t, home, args...), s.start()
			checked, accepted, skipped, wrong := 0, 0, 0, 0
			for i := range c.many {
				here, there := g.accepts(drivenTriplet(i)), p.accepts(drivenTriplet(i))
				if !c.exact(i) {
					if skipped++; here {
						t.Errorf("%v was accepted, which cannot have been imported", drivenTriplet(i))
					}
					continue
				}
				checked++
				if there {
					accepted++
				}
				if here != there {
					if wrong++; wrong <= 10 {
						t.Errorf("triplet %d %v: accepted by postgrey: %t, after the import: %t", i, drivenTriplet(i), there, here)
					}
				}
			}
			if checked < c.many/8 || accepted < checked/2 || accepted == checked {
				t.Error("too little was checked")
			}
			t.Logf("checked %d triplets, of which postgrey accepts %d; %d wrong; %d cannot be imported", checked, accepted, wrong, skipped)
		})
	}
}

// numbered reports whether postgrey replaces numbers in the sender of a triplet.
func numbered(i int) bool { return i%8 == 4 || i%8 == 5 }

// drivenTriplet is the i-th triplet.
func drivenTriplet(i int) triplet {
	client := fmt.Sprintf("203.0.113.%d", 1+i%250)
	switch i % 4 {
	case 1:
		client = fmt.Sprintf("198.51.100.%d", 1+i%250)
	case 2:
		client = fmt.Sprintf("192.0.2.%d", 1+i%250)
	case 3:
		client = fmt.Sprintf("2001:db8:%x::%x", i%60, i)
	}
	recipient := fmt.Sprintf("Bob.%d@Example.org", i)
	sender := fmt.Sprintf("Ann%d@example%d.net", i, i%7)
	switch i % 8 {
	case 4:
		sender = fmt.Sprintf("list-return-%d-bob=example.org@lists.example", i)
	case 5:
		sender = fmt.Sprintf("ann.%d@example.net", i)
	case 6:
		sender = ""
	}
	return triplet{client, sender, recipient}
}

// startPostgrey starts postgrey on a folder, with its default delay of 300 s.
func startPostgrey(t *testing.T, home string, args ...string) *daemon {
	t.Helper()
	empty := filepath.Join(home, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(home, "sock")
	return start(t, socket, lab.Script(lab.Postgrey, "usr/sbin/postgrey", append([]string{"--unix=" + socket, "--dbdir=" + home,
		"--user=root", "--group=root", "--whitelist-clients=" + empty, "--whitelist-recipients=" + empty}, args...)...))
}

// at asks postgrey at a time that is an age before now, which it can be told.
func (d *daemon) at(t triplet, age time.Duration) bool {
	d.t.Helper()
	return d.accepts(t, fmt.Sprintf("policy_test_time=%d", time.Now().Add(-age).Unix()))
}

// history makes the attempts of a triplet. No age is near one at which the answer changes.
func (d *daemon) history(random *rand.Rand, t triplet) {
	d.t.Helper()
	between := func(a, b time.Duration) time.Duration { return a + time.Duration(random.Int64N(int64(b-a))) }
	const minute, day = time.Minute, 24 * time.Hour
	switch kind := random.IntN(10); kind {
	case 0: // never seen
	case 1, 2:
		d.at(t, []time.Duration{between(0, minute), between(10*minute, 47*time.Hour), between(3*day, 10*day)}[random.IntN(3)])
	case 3: // retried too early
		age := between(20*minute, 40*time.Hour)
		d.at(t, age)
		d.at(t, age-between(minute, 4*minute))
	default: // passed, and perhaps seen again
		age := between(2*time.Hour, 30*day)
		d.at(t, age)
		age -= between(6*minute, 90*minute)
		if !d.at(t, age) {
			d.t.Errorf("postgrey does not accept %v", t)
		}
		if kind > 7 {
			d.at(t, between(0, age))
		}
	}
}

// TestPostgreyClients: clients that a real postgrey accepts always are proven after the
// import, and no others.
func TestPostgreyClients(t *testing.T) {
	lab.Require(t)
	s := newSite(t, "", "[learn]\nproven_after = 5\n")
	s.start().stop() // which creates the database
	home := peerHome(t)
	p := startPostgrey(t, home)
	client := func(i int) string {
		if i%2 == 0 {
			return fmt.Sprintf("2001:db8:%x::%x", i, i)
		}
		return fmt.Sprintf("203.0.113.%d", i)
	}
	const many, most = 50, 8
	for i := range many {
		for pass := range i % (most + 1) { // so many triplets of the client pass, two hours apart
			seen := triplet{client(i), fmt.Sprintf("ann@example%d.net", i), fmt.Sprintf("bob.%d@example.org", pass)}
			age := time.Duration(2*(most-pass)) * time.Hour
			p.at(seen, age)
			p.at(seen, age-6*time.Minute)
		}
	}
	p.stop()
	t.Log(s.run("import", "postgrey", home))
	if again := s.run("import", "postgrey", home); !strings.Contains(again, "taken over: 0 triplets, 0 clients\n") {
		t.Errorf("the second import:\n%s", again)
	}
	p, g := startPostgrey(t, home), s.start()
	proven := 0
	for i := range many {
		unseen := triplet{client(i), fmt.Sprintf("carol@example%d.net", i), "dave@example.org"}
		here, there := g.accepts(unseen), p.accepts(unseen)
		if there {
			proven++
		}
		if here != there || there != (i%(most+1) >= 5) {
			t.Errorf("%v: accepted by postgrey: %t, after the import: %t", unseen, there, here)
		}
	}
	t.Logf("checked %d clients, of which postgrey accepts %d", many, proven)
}
