package policyd

import (
	"container/list"
	"log/slog"
	"sync"
	"time"

	"greyglass/greylist/judge"
	"greyglass/milter/deferred"
)

// messageLife is how long a message without DATA is kept. A client may take 5 minutes
// for each command (RFC 5321, section 4.5.3.2), and Postfix allows a hundred NOOPs
// (smtpd_junk_command_limit).
const messageLife = 12 * time.Hour

// perMessage is about how many octets a message takes with what was looked up for it,
// without its recipients.
const perMessage = 1200

// messages holds the messages between requests, which may come by different
// connections, by their instance: what was looked up, and the recipients deferred to
// DATA. Those of null senders and probers are kept also without deferred recipients:
// so DATA can tell them from messages that are unknown because the daemon was restarted
// or memory was short.
type messages struct {
	now func() time.Time
	log *slog.Logger

	mu         sync.Mutex
	byInstance map[string]*list.Element
	byAge      *list.List // of *message, oldest first
	room       deferred.Room
	octets     int64 // of all, without their recipients
	warned     bool  // logged that memory is short
}

// message is one message. Its client and sender are compared, too, in case a policy
// client reuses an instance.
type message struct {
	instance, client, sender string

	since    time.Time
	mu       sync.Mutex
	dropped  bool // another request found it before, and must not use it
	known    bool // else this daemon has had no request about it before DATA
	facts    judge.Message
	deferred deferred.Message
	octets   int64 // see perMessage
}

func newMessages(now func() time.Time, log *slog.Logger) *messages {
	return &messages{now: now, log: log, byInstance: make(map[string]*list.Element), byAge: list.New()}
}

// lock returns the message of a request, locked; if it is unknown a new one, or nil.
func (m *messages) lock(r *request, add bool) *message {
	for {
		m.mu.Lock()
		m.makeRoom()
		found := m.find(r)
		if found == nil && add {
			defer m.mu.Unlock()
			return m.add(r)
		}
		m.mu.Unlock()
		if found == nil {
			return nil
		}
		found.mu.Lock()
		if !found.dropped {
			return found
		}
		found.mu.Unlock()
	}
}

// find returns the message of a request, or nil. The caller holds the lock.
func (m *messages) find(r *request) *message {
	if place, known := m.byInstance[r.instance]; known {
		if found := place.Value.(*message); found.client == r.clientAddress && found.sender == r.sender {
			return found
		}
	}
	return nil
}

// add adds the message of a request, and returns it locked. The caller holds the lock.
func (m *messages) add(r *request) *message {
	if place, other := m.byInstance[r.instance]; other {
		m.drop(place)
	}
	added := &message{instance: r.instance, client: r.clientAddress, sender: r.sender, since: m.now(),
		octets: int64(perMessage + len(r.instance) + len(r.clientAddress) + len(r.sender))}
	m.byInstance[r.instance] = m.byAge.PushBack(added)
	m.octets += added.octets
	added.mu.Lock()
	return added
}

// makeRoom drops messages that are too old, and the oldest if memory is short.
func (m *messages) makeRoom() {
	now := m.now()
	for oldest := m.byAge.Front(); oldest != nil; oldest = m.byAge.Front() {
		live := now.Sub(oldest.Value.(*message).since) < messageLife
		if used := m.octets + m.room.Used(); live && used <= deferred.MaxRoom/2 {
			break
		}
		if live && !m.warned && oldest.Value.(*message).waiting() {
			m.warned = true
			m.log.Warn(eventTooManyMessages, "via", "policy", "messages", m.byAge.Len())
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
	release := func() {
		defer dropped.mu.Unlock()
		dropped.dropped = true
		dropped.deferred.Release(&m.room)
	}
	if dropped.mu.TryLock() {
		release()
		return
	}
	go func() { // it is being judged; others do not wait for that
		dropped.mu.Lock()
		release()
	}()
}

func (m *message) waiting() bool {
	if !m.mu.TryLock() {
		return false // it is being judged
	}
	defer m.mu.Unlock()
	return m.deferred.Octets() > 0
}
