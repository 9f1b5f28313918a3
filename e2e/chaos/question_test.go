package chaos

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// question is a command that the daemon is asked by, about one recipient or, at
// DATA, about all of a message that were left to it.
type question struct {
	id       string // stands in the log as queue_id
	triplets []*triplet
	noLine   bool // it is left to DATA, and not logged
	from     time.Time
	daemon   *daemon
	lines    chan line // of the log, about it
}

// answer is what a session got.
type answer struct {
	reply string // empty: go on
	err   error  // there was none; the connection has ended
	line  bool   // it was asked by way of a bad line of ours
	cut   bool   // which was cut
	fresh bool   // nothing was answered on the connection, so it may not have been accepted
}

var lastQuestion atomic.Int64

// ask notes that a question is about to be asked, on a connection to a daemon;
// settle must follow. It returns nil if that daemon is no more, after waiting
// for the next.
func (c *checker) ask(d *daemon, noLine bool, triplets ...*triplet) *question {
	c.gate.RLock()
	if d != c.daemon() {
		c.gate.RUnlock()
		return nil
	}
	q := &question{
		id:       fmt.Sprintf("Q%d", lastQuestion.Add(1)),
		triplets: triplets,
		noLine:   noLine,
		from:     time.Now(),
		daemon:   d,
		lines:    make(chan line, len(triplets)+1),
	}
	q.daemon.log.expect(q.id, q.lines)
	return q
}

const (
	lineTimeout = 10 * time.Second // for a line that is logged before an answer
	cutTimeout  = 4 * time.Second  // for what was asked on a connection that was cut
)

// settle compares an answer with the model, and returns it. When there is none,
// it waits for what the log says.
func (c *checker) settle(q *question, a answer) answer {
	defer c.gate.RUnlock()
	defer q.daemon.log.forget(q.id)
	to := time.Now()
	c.slowest(q, to)
	if a.err != nil {
		c.unanswered(q, a, to)
		return a
	}
	c.counts.answers.Add(1)
	if q.noLine {
		for _, t := range q.triplets {
			t.note(q.from, to, "left to DATA")
		}
		if a.reply != "" {
			c.wrong(q.triplets[0], "%s: a callout got %q at RCPT", q.id, a.reply)
		}
		return a
	}
	worst, longest := []string{""}, int64(-1)
	for range q.triplets {
		l, ok := q.line(lineTimeout)
		t := q.about(l)
		if !ok && q.daemon.killed.Load() {
			c.unlogged(q, a.reply, to)
			return a
		}
		if !ok || t == nil {
			c.wrong(q.triplets[0], "%s: answered %q, but not in the log", q.id, a.reply)
			break
		}
		replies := c.judge(q, t, l, to)
		if l.Verdict != "accept" && l.Wait > longest {
			worst, longest = replies, l.Wait
		}
	}
	for _, t := range q.triplets {
		if t.lost { // so nothing is certain of the others either
			for _, t := range q.triplets {
				t.lost = true
			}
			return a
		}
	}
	if !slices.Contains(worst, a.reply) {
		c.wrong(q.triplets[0], "%s: the reply is %q, by the log it should be %q", q.id, a.reply, worst)
	}
	return a
}

// line returns the next line about the question.
func (q *question) line(timeout time.Duration) (line, bool) {
	select {
	case l := <-q.lines:
		return l, true
	default:
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case l := <-q.lines:
		return l, true
	case <-timer.C:
		return line{}, false
	case <-q.daemon.ended:
	}
	select {
	case l := <-q.lines:
		return l, true
	default:
		return line{}, false
	}
}

func (q *question) about(l line) *triplet {
	for _, t := range q.triplets {
		if t.recipient == l.Recipient {
			return t
		}
	}
	return nil
}

// unanswered accounts for a question without an answer: it may have been judged
// or not, unless the log says what came of it.
func (c *checker) unanswered(q *question, a answer, to time.Time) {
	c.counts.unanswered.Add(1)
	if q.noLine {
		return
	}
	early := q.from.Before(q.daemon.endsFrom()) // so it was received before the daemon was told to end
	switch {
	case isTimeout(a.err):
		c.wrong(q.triplets[0], "%s: no answer within %v", q.id, to.Sub(q.from))
	case a.cut, q.daemon.killed.Load(), c.weather.felt(q.from, to, stopped):
	case early && !a.fresh && !a.line:
		c.wrong(q.triplets[0], "%s: the connection was closed instead of an answer: %v, after %v, %v after SIGTERM",
			q.id, a.err, to.Sub(q.from), to.Sub(q.daemon.endsFrom()))
	}
	left := make(map[*triplet]bool)
	for _, t := range q.triplets {
		left[t] = true
	}
	for range q.triplets {
		timeout := cutTimeout
		if c.weather.felt(q.from, to, stopped) {
			timeout *= 2
		}
		l, ok := q.line(timeout)
		t := q.about(l)
		if !ok || t == nil {
			break
		}
		delete(left, t)
		c.judge(q, t, l, time.Now())
	}
	for t := range left {
		c.maybe(q, t, time.Now())
	}
}
