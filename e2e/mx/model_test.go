package mx

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const sessions = 64

// question is what was asked about a triplet, and what is known of the answer.
type question struct {
	id       string
	from, to int64 // Unix seconds between which it was decided
	answer   answer
}

// triplet is one that is asked about, by one session at a time, whichever daemon.
type triplet struct {
	envelope
	mu    sync.Mutex
	asked []question
}

// TestModel: 64 sessions ask three daemons, of which one is killed, as is the
// database. Every answer must be one that the rules give for what was answered
// before, wherever; and what is remembered in the end must be what it says.
func TestModel(t *testing.T) {
	db := database(t)
	var daemons [3]*daemon
	for i := range daemons {
		daemons[i] = startDaemon(t, urlOf(db))
	}
	triplets := make([]*triplet, *decisions/8+sessions)
	for i := range triplets {
		triplets[i] = &triplet{envelope: envelope{
			fmt.Sprintf("203.0.113.%d", i%250), fmt.Sprintf("s%d@sender.test", i), fmt.Sprintf("r%d@example.test", i%50)}}
	}
	var decided atomic.Int64
	began := time.Now()
	var all sync.WaitGroup
	for n := range sessions {
		all.Go(func() {
			random := rand.New(rand.NewPCG(*seed, uint64(n)))
			var lines [3]session
			for decided.Load() < int64(*decisions) {
				i := random.IntN(3)
				switch triplets[random.IntN(len(triplets))].ask(&lines[i], daemons[i].policy()) {
				case accept, later:
					decided.Add(1)
				default:
					time.Sleep(50 * time.Millisecond)
				}
			}
			for i := range lines {
				lines[i].close()
			}
		})
	}
	reached := func(share int) {
		wait(t, "decisions", func() bool { return decided.Load() > int64(*decisions*share/100) })
	}
	var faults [][2]int64 // in which answers may fail, in Unix seconds
	fault := func(what string, begin, end func()) {
		from := time.Now().Unix()
		begin()
		time.Sleep(700 * time.Millisecond)
		end()
		faults = append(faults, [2]int64{from, time.Now().Unix() + 6})
		t.Logf("%s after %v", what, time.Since(began).Round(time.Millisecond))
	}
	reached(20)
	fault("a daemon was killed and restarted", daemons[1].kill, daemons[1].start)
	reached(50)
	fault("the database was killed and restarted", db.Kill, db.Start)
	for _, d := range daemons {
		wait(t, "the database to work again", func() bool { return d.count("database works again") == 1 })
	}
	reached(75)
	fault("a daemon was killed and restarted", daemons[2].kill, daemons[2].start)
	all.Wait()
	took := time.Since(began)

	c := checker{t: t, logged: map[string]logLine{}, faults: faults}
	for _, d := range daemons {
		for _, l := range d.lines() {
			if l.Msg == "decision" {
				c.logged[l.QueueID] = l
			}
		}
	}
	remembered := map[envelope]state{}
	var rows []struct {
		Client, Sender, Recipient string
		FirstSeen                 int64  `json:"first_seen"`
		PassedAt                  *int64 `json:"passed_at"`
	}
	if err := json.Unmarshal([]byte(daemons[0].run("list", "--json")), &rows); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		s := state{known: true, at: r.FirstSeen}
		if r.PassedAt != nil {
			s = state{known: true, passed: true, at: *r.PassedAt}
		}
		remembered[envelope{r.Client, r.Sender, r.Recipient}] = s
	}
	for _, tr := range triplets {
		c.check(tr, remembered[tr.envelope])
	}
	t.Logf("%d decisions in %v (%.0f/s): %d wrong, %d lost; %d failed by a fault, %d without an answer; reasons %v",
		*decisions, took.Round(time.Millisecond), float64(*decisions)/took.Seconds(), c.wrong, c.lost, c.failed, c.unanswered, c.reasons)
	for _, reason := range []string{"not-seen-before", "way-too-soon", "too-soon", "now-grey", "already-grey"} {
		if c.reasons[reason] == 0 {
			t.Errorf("no attempt was answered %s: that tests little", reason)
		}
	}
	for i, d := range daemons {
		if begun, ended := d.count("database failing, answering by on_error"), d.count("database works again"); begun != ended || begun != 1 {
			t.Errorf("daemon %d says %d times that trouble begins, and %d times that it is over", i, begun, ended)
		}
	}
	if db.SQL("postgres", "SELECT sum(deadlocks) FROM pg_stat_database") != "0" {
		t.Error("there were deadlocks")
	}
}

// ask asks once, when no other worker asks about the same.
func (tr *triplet) ask(s *session, address string) answer {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	q := question{id: newID(), from: time.Now().Unix()}
	q.answer, _ = s.ask(address, q.id, tr.envelope)
	q.to = time.Now().Unix()
	tr.asked = append(tr.asked, q)
	return q.answer
}

// The windows of quick, and what follows from them for these tests' short time.
const tooSoon, minDefer = 1, 2

// state is what may be remembered. Its zero value is an unseen triplet.
type state struct {
	known, passed bool
	at            int64 // first_seen if it waits, passed_at if it has passed
}

// attempt is what the rules say to a triplet in this state at a time.
func (s state) attempt(now int64) (reason string, after state) {
	waiting, passed := state{known: true, at: now}, state{known: true, passed: true, at: now}
	switch age := now - s.at; {
	case !s.known:
		return "not-seen-before", waiting
	case s.passed:
		if age < 3600 { // the time is not refreshed so soon
			return "already-grey", s
		}
		return "already-grey", passed
	case age < tooSoon:
		return "way-too-soon", waiting
	case age < minDefer:
		return "too-soon", s
	}
	return "now-grey", passed
}

// checker compares what was answered with the rules.
type checker struct {
	t                               *testing.T
	logged                          map[string]logLine
	faults                          [][2]int64
	wrong, lost, failed, unanswered int
	reasons                         map[string]int
}

// check goes through all that was asked about a triplet, and compares the end
// with what is remembered.
func (c *checker) check(tr *triplet, remembered state) {
	if c.reasons == nil {
		c.reasons = map[string]int{}
	}
	possible := []state{{}}
	for _, q := range tr.asked {
		line, known := c.logged[q.id]
		var after []state
		add := func(s state) {
			if !slices.Contains(after, s) {
				after = append(after, s)
			}
		}
		for now := q.from - 1; now <= q.to+1; now++ { // the time is the server's, which a daemon knows within a second
			for _, s := range possible {
				reason, next := s.attempt(now)
				switch {
				case known && line.Reason == reason:
					add(next)
				case !known, line.Reason == "error": // it may be remembered, or not
					add(s)
					add(next)
				}
			}
		}
		c.count(q, line, known)
		if len(after) == 0 {
			c.wrong++
			c.t.Errorf("%v was answered %q; possible before: %v; asked: %+v", tr.envelope, line.Reason, possible, tr.asked)
			return
		}
		possible = after
	}
	if !slices.Contains(possible, remembered) {
		c.lost++
		c.t.Errorf("of %v is remembered %v; possible: %v", tr.envelope, remembered, possible)
	}
}

func (c *checker) count(q question, line logLine, known bool) {
	during := slices.ContainsFunc(c.faults, func(f [2]int64) bool { return q.from <= f[1] && q.to >= f[0] })
	switch {
	case q.answer == none:
		if c.unanswered++; !during {
			c.t.Errorf("%s got no answer, without a fault", q.id)
		}
	case !known && !during: // a daemon that is killed has answered what it has not yet written
		c.wrong++
		c.t.Errorf("%s was answered, but not logged", q.id)
	case !known:
	case line.Reason == "error" && q.answer == failed:
		if c.failed++; !during {
			c.t.Errorf("%s failed, without a fault: %s", q.id, line.Error)
		}
	case q.answer == failed, (q.answer == accept) != strings.HasSuffix(line.Reason, "-grey"):
		c.wrong++
		c.t.Errorf("%s: answered %v, for the reason %s", q.id, q.answer, line.Reason)
	}
	if known {
		c.reasons[line.Reason]++
	}
}
