package maillog

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"strings"

	"greyglass/greylist/address"
)

const (
	// settling is how long what is known of a message may still change, in seconds of
	// the log: a filter may log its verdict after the delivery.
	settling = 30

	maxOpen    = 100_000 // messages whose last line has not come
	maxEvents  = 200_000 // deliveries that have not settled
	maxPending = 1000    // refused recipients, and aliases, of a message
)

// message is a message in the queue of a mail server.
type message struct {
	key, id string

	client        netip.Addr
	name, helo    string
	sender        string
	local         bool // it comes from a program of the machine itself
	authenticated bool
	hasSender     bool
	spam          bool
	told          bool // a recipient

	// before is the message that a filter took from the mail server and gave back as
	// this one.
	before *message

	messageID uint64   // a hash; 0: none
	same      *message // an earlier one with the same message ID

	seen    []uint64  // hashes of recipients that aliases stand for, to count them once
	refused []refusal // Sendmail logs refusals before the sender

	older, newer *message // in the list of open ones
}

type refusal struct {
	recipient, reply string
	outcome          Outcome
}

// place is where a message was delivered to.
type place byte

const (
	nowhere   place = iota // refused
	mailbox                // or a program, or whatever an alias of the site stands for
	itself                 // another program of the machine, by SMTP or LMTP
	neighbour              // a server with a private address
	outside
	discarded
)

// event is a delivery or refusal that settles, or the end of a message.
type event struct {
	at        int64
	m         *message
	recipient string // empty: the end
	reply     string
	outcome   Outcome
	place     place
}

// queue follows messages through the lines of a log.
type queue struct {
	logs  *Logs
	yield func(Mail) bool

	now  int64 // of the present line
	host []byte

	open           map[string]*message // by host and queue ID
	oldest, newest *message
	byMessageID    map[uint64]*message // the latest
	seed           maphash.Seed

	events []event
	first  int // index of the first that settles
	key    []byte
}

func newQueue(l *Logs, yield func(Mail) bool) *queue {
	return &queue{logs: l, yield: yield, open: make(map[string]*message), byMessageID: make(map[uint64]*message), seed: maphash.MakeSeed()}
}

// find returns an open message, or nil.
func (q *queue) find(id []byte) *message { return q.open[string(q.keyOf(id))] }

func (q *queue) keyOf(id []byte) []byte {
	q.key = append(append(append(q.key[:0], q.host...), ' '), id...)
	return q.key
}

// begin returns a new message, in the place of an earlier one with its queue ID.
func (q *queue) begin(id []byte) *message {
	if m := q.find(id); m != nil {
		q.close(m)
	}
	if len(q.open) >= maxOpen {
		if !q.oldest.told {
			q.logs.Counts.Incomplete++
		}
		q.close(q.oldest)
	}
	key := string(q.keyOf(id))
	m := &message{key: key, id: key[len(key)-len(id):], older: q.newest}
	if q.newest != nil {
		q.newest.newer = m
	} else {
		q.oldest = m
	}
	q.newest = m
	q.open[key] = m
	return m
}

// findOrBegin is for messages of which an earlier line may already have told something.
func (q *queue) findOrBegin(id []byte) *message {
	if m := q.find(id); m != nil {
		return m
	}
	return q.begin(id)
}

// close forgets an open message.
func (q *queue) close(m *message) {
	if q.open[m.key] != m {
		return
	}
	delete(q.open, m.key)
	if m.older != nil {
		m.older.newer = m.newer
	} else {
		q.oldest = m.newer
	}
	if m.newer != nil {
		m.newer.older = m.older
	} else {
		q.newest = m.older
	}
	m.older, m.newer = nil, nil
	if m.messageID != 0 && q.byMessageID[m.messageID] == m {
		delete(q.byMessageID, m.messageID)
	}
}

// identify notes the message ID.
func (q *queue) identify(m *message, messageID []byte) {
	if m.messageID != 0 || len(messageID) == 0 {
		return
	}
	m.messageID = q.hash(messageID)
	m.same = q.byMessageID[m.messageID]
	if m.same != nil {
		m.same.same = nil // two are enough: before a filter and after it
	}
	q.byMessageID[m.messageID] = m
}

func (q *queue) hash(b []byte) uint64 { return max(maphash.Bytes(q.seed, b), 1) }

// markID marks the messages with a message ID as spam.
func (q *queue) markID(messageID []byte) {
	if len(messageID) == 0 {
		return
	}
	for m := q.byMessageID[q.hash(messageID)]; m != nil; m = m.same {
		m.spam = true
	}
}

// delivered notes a delivery. alias says that the recipient stands for others.
func (q *queue) delivered(m *message, recipient []byte, to place, alias bool) {
	if alias {
		if to != discarded {
			to = mailbox
		}
		h := q.hash(recipient)
		if slices.Contains(m.seen, h) {
			return
		}
		if len(m.seen) < maxPending {
			m.seen = append(m.seen, h)
		}
	}
	q.add(event{m: m, recipient: string(recipient), outcome: Delivered, place: to})
}

// refuse notes a refusal.
func (q *queue) refuse(m *message, r refusal) {
	to := nowhere
	if strings.Contains(r.reply, "elay access denied") || strings.Contains(r.reply, "elay not permitted") || strings.Contains(r.reply, "elaying denied") {
		to = outside
	}
	q.add(event{m: m, recipient: r.recipient, outcome: r.outcome, reply: r.reply, place: to})
}

// end notes that no more lines of a message come.
func (q *queue) end(m *message) { q.add(event{m: m}) }

func (q *queue) add(e event) {
	e.at, e.m.told = q.now, true
	if len(q.events)-q.first >= maxEvents {
		q.settle()
	}
	q.events = append(q.events, e)
}

// release yields what happened until a time, and thus has settled.
func (q *queue) release(until int64) {
	for q.first < len(q.events) && q.events[q.first].at <= until {
		if !q.settle() {
			return
		}
	}
}

// settle takes the first event.
func (q *queue) settle() bool {
	e := q.events[q.first]
	q.events[q.first] = event{}
	q.first++
	if q.first == len(q.events) || q.first >= 1024 && 2*q.first >= len(q.events) {
		q.events = append(q.events[:0], q.events[q.first:]...)
		q.first = 0
	}
	if e.recipient == "" {
		q.close(e.m)
		return true
	}
	return q.yield(q.mail(e))
}

func (q *queue) mail(e event) Mail {
	m := e.m
	mail := Mail{Time: e.at, QueueID: m.id, Recipient: e.recipient, Outcome: e.outcome, Reply: e.reply}
	spam := m.spam
	for n := 0; m.before != nil && n < 4; n++ {
		m = m.before
		spam = spam || m.spam
	}
	mail.ClientAddress, mail.ClientName, mail.HELO = m.client, m.name, m.helo
	mail.Authenticated = m.authenticated
	mail.Sender = e.m.sender
	if spam && mail.Outcome == Delivered {
		mail.Outcome = Spam
	}
	mail.Direction = q.logs.Site.direction(m, e, e.m.hasSender)
	return mail
}

func (s Site) direction(m *message, e event, hasSender bool) Direction {
	if !hasSender || !m.client.IsValid() && !m.local {
		return Unknown
	}
	if e.place == discarded {
		return Discarded
	}
	toSite, sent := e.place != outside, e.place == outside
	if s.Inside != nil {
		_, domain, _ := address.Cut(e.recipient)
		toSite, sent = s.Inside(strings.ToLower(domain)), sent || e.place == neighbour
	}
	own := m.local || m.authenticated || m.client.IsLoopback() || s.Own != nil && s.Own(m.client)
	switch {
	case (own || near(m.client)) && sent && !toSite:
		return Outgoing
	case own:
		return Internal // or to another program of the machine, which sends it on
	case toSite:
		return Incoming
	}
	return Relayed
}
