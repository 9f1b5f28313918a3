package forecast

import (
	"container/heap"
	"net/netip"
)

// The log does not tell how a sender would retry, since it was not deferred. These are
// assumed of its kind.
const (
	minute = 60
	hour   = 60 * minute
	day    = 24 * hour

	serverGivesUp = 5 * day // as Postfix, Exim and Sendmail do by default
	poolGivesUp   = day     // as Microsoft 365 does
)

// retries are the ages, in seconds, at which a mail server tries again: it doubles its
// waiting time, as Postfix does. After these it tries each [laterRetries].
var retries = [...]int64{10 * minute, 20 * minute, 40 * minute, 80 * minute}

const laterRetries = 70 * minute

// nextRetry is the age of a message when it is tried again after so many attempts.
func nextRetry(attempts int) int64 {
	if attempts <= len(retries) {
		return retries[attempts-1]
	}
	return retries[len(retries)-1] + int64(attempts-len(retries))*laterRetries
}

// retry is an attempt that is to come.
type retry struct {
	at       int64
	attempts int // before it
	*mail
}

// next returns the retry after an attempt at a time, and whether there is one.
func (r retry) next(now int64) (retry, bool) {
	age, until := nextRetry(r.attempts), int64(0)
	switch {
	case r.pool():
		until = poolGivesUp
	case r.server():
		until = serverGivesUp
	}
	r.at = max(r.Time+age, now)
	return r, age <= until
}

// client is the address that the attempt comes from.
func (r retry) client() netip.Addr {
	if r.attempts > 0 && r.pool() {
		return r.site.draw(uint64(r.Time)<<8 + uint64(r.attempts))
	}
	return r.ClientAddress
}

// queue has the retries to come, the next one first.
type queue []retry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at < q[j].at }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(r any)        { *q = append(*q, r.(retry)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	(*q)[len(*q)-1] = retry{}
	*q = (*q)[:len(*q)-1]
	return last
}

func (q *queue) add(r retry) { heap.Push(q, r) }

// due removes the next retry until a time, and reports whether there is one.
func (q *queue) due(until int64) (retry, bool) {
	if len(*q) == 0 || (*q)[0].at > until {
		return retry{}, false
	}
	return heap.Pop(q).(retry), true
}
