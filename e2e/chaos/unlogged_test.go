package chaos

import "time"

// unlogged accounts for a question whose answer came when its line of the log
// had not been written yet, because the daemon was killed then. Of one recipient
// the reply tells nearly as much; of many, only that all may have been judged.
func (c *checker) unlogged(q *question, reply string, to time.Time) {
	c.counts.unlogged.Add(1)
	if len(q.triplets) > 1 {
		for _, t := range q.triplets {
			c.maybe(q, t, time.Now())
		}
		return
	}
	t := q.triplets[0]
	if t.lost {
		return
	}
	c.account(t, q.from, to)
	var after states
	for _, r := range c.inForce.between(q.from, to) {
		if answer, ok := r.rule(&t.envelope); ok {
			if r.reply(answer) == reply {
				after = after.with(t.possible...)
			}
			continue
		}
		failed := c.mayFail(q, to) && r.reply(said{r.onError, "error", 0}) == reply
		if failed {
			after = after.with(t.possible...)
		}
		for _, o := range c.outcomes(t, r, q, to) {
			if failed || r.reply(o.said) == reply {
				after = after.with(o.after...)
			}
		}
	}
	t.note(q.from, to, "%s: reply %q, not logged before kill -9: %v", q.id, reply, after)
	if len(after) == 0 {
		c.wrong(t, "%s: replied %q, which may not be; was %v", q.id, reply, t.possible)
	}
	t.possible = after
}
