package policyd

import (
	"container/list"
	"log/slog"
	"sync"
	"time"

	"greyglass/greylist/judge"
	"greyglass/milter/deferred"
)

// messageLife is how long a message is kept whose DATA does not come. A client may
// take 5 minutes for each command (RFC 5321, section 4.5.3.2), and Postfix lets it
// say NOOP a hundred times (smtpd_junk_command_limit).
const messageLife = 12 * time.Hour

// perMessage is about how many octets a message takes with what was looked up for
// it, beside its recipients.
const perMessage = 1200

// messages holds what is to be known of a message from one request to the next, by
// its instance: what was looked up, and the recipients that wait for DATA. A policy
// client may ask about each on another connection. Those of null senders and probers
// are kept also where all their recipients were judged at RCPT: so DATA can tell a
// message of which nothing waits from one that is not known, because the daemon has
// been restarted or had no room.
type messages struct {
	now func() time.Time
	log *slog.Logger

	mu         sync.Mutex
	byInstance map[string]*list.Element
	byAge      *list.List // of *message, the oldest first
	room       deferred.Room
	octets     int64 // of all, without their recipients
	warned     bool  // that there is no room
}

// message is one message. The sender and the client are its, so that a policy client
// which uses an instance again does not take it for the next message's.
type message struct {
	instance, client, sender string

	since  time.Time
	mu     sync.Mutex
	facts  judge.Message
	waits  deferred.Message
	octets int64 // see perMessage
}

func newMessages(now func() time.Time, log *slog.Logger) *messages {
	return &messages{now: now, log: log, byInstance: make(map[string]*list.Element), byAge: list.New()}
}

// find returns the message that a request is about, or nil.
func (m *messages) find(r *request) *message {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.makeRoom()
	if place, known := m.byInstance[r.instance]; known {
		if found := place.Value.(*message); found.client == r.clientAddress && found.sender == r.sender {
			return found
		}
	}
	return nil
}

// findOrAdd returns the message that a request is about, a new one if need be.
func (m *messages) findOrAdd(r *request) *message {
	if found := m.find(r); found != nil {
		return found
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if place, other := m.byInstance[r.instance]; other {
		m.drop(place)
	}
	added := &message{instance: r.instance, client: r.clientAddress, sender: r.sender, since: m.now(),
		octets: int64(perMessage + len(r.instance) + len(r.clientAddress) + len(r.sender))}
	m.byInstance[r.instance] = m.byAge.PushBack(added)
	m.octets += added.octets
	return added
}

// makeRoom forgets what is too old, and the oldest where there is no room.
func (m *messages) makeRoom() {
	now := m.now()
	for oldest := m.byAge.Front(); oldest != nil; oldest = m.byAge.Front() {
		live := now.Sub(oldest.Value.(*message).since) < messageLife
		if used := m.octets + m.room.Used(); live && used <= deferred.MaxRoom/2 {
			break
		}
		if live && !m.warned && oldest.Value.(*message).waiting() {
			m.warned = true
			m.log.Warn("too many messages wait for DATA; forgetting the oldest, which are answered by on_error", "via", "policy", "messages", m.byAge.Len())
		}
		m.drop(oldest)
	}
	if (m.octets+m.room.Used())*10 <= deferred.MaxRoom/2*9 {
		m.warned = false
	}
}

func (m *messages) drop(place *list.Element) {
	dropped := place.Value.(*message)
	delete(m.byInstance, dropped.instance)
	m.byAge.Remove(place)
	m.octets -= dropped.octets
	dropped.mu.Lock()
	defer dropped.mu.Unlock()
	dropped.waits.Release(&m.room)
}

func (m *message) waiting() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.waits.Octets() > 0
}
