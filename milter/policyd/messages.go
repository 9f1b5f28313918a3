package policyd

import (
	"container/list"
	"log/slog"
	"sync"
	"time"

	"greyglass/greylist/judge"
)

const (
	// maxKept bounds how many recipients wait for DATA, of all messages together:
	// some 500 octets each. The oldest messages make room: their mail is then let
	// in without having been judged, which is said once until there is room again.
	maxKept = 50_000

	// messageLife is how long a message is kept whose DATA does not come. A
	// client may take 5 minutes for each command (RFC 5321, section 4.5.3.2), and
	// have more recipients to name.
	messageLife = 30 * time.Minute
)

// messages holds what is to be known of a message from one request to the next,
// by its instance. A policy client may ask about each on another connection.
type messages struct {
	now func() time.Time
	log *slog.Logger

	mu         sync.Mutex
	byInstance map[string]*list.Element
	byAge      *list.List // of *keptMessage, the oldest first
	kept       int        // the sum of their weights
	warned     bool       // that there is no room
}

type keptMessage struct {
	instance string
	since    time.Time
	weight   int              // how many recipients it counts for, at least one
	waiting  []*judge.Pending // deferred to DATA
	full     bool             // as many as are kept, and more were offered
	refusal  refusal          // if there was one
}

// refusal is what a message was answered at DATA, if that was no Accept. The
// sender and the client are its, so that a policy client which uses an instance
// again does not take it for the next message's.
type refusal struct {
	client, sender string
	answer         judge.Answer
}

func newMessages(now func() time.Time, log *slog.Logger) *messages {
	return &messages{now: now, log: log, byInstance: make(map[string]*list.Element), byAge: list.New()}
}

// keep notes a recipient, unless the message has as many as the limit says.
// first says that this is the first for which there is no room.
func (m *messages) keep(instance string, p *judge.Pending, limit int) (kept, first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	message := m.message(instance)
	if len(message.waiting) >= limit {
		first = !message.full
		message.full = true
		return false, first
	}
	message.waiting = append(message.waiting, p)
	if len(message.waiting) > message.weight {
		message.weight++
		m.kept++
	}
	return true, false
}

// refused notes what a message was answered at DATA.
func (m *messages) refused(instance string, r refusal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.message(instance).refusal = r
}

// take returns a message's recipients, and what it was answered at an earlier
// DATA, and forgets both.
func (m *messages) take(instance string) ([]*judge.Pending, refusal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.makeRoom(0)
	place, known := m.byInstance[instance]
	if !known {
		return nil, refusal{}
	}
	m.drop(place)
	message := place.Value.(*keptMessage)
	return message.waiting, message.refusal
}

// message returns what is known of a message, for which there is room then.
func (m *messages) message(instance string) *keptMessage {
	m.makeRoom(1)
	place, known := m.byInstance[instance]
	if !known {
		place = m.byAge.PushBack(&keptMessage{instance: instance, since: m.now(), weight: 1})
		m.byInstance[instance] = place
		m.kept++
	}
	return place.Value.(*keptMessage)
}

// makeRoom forgets what is too old, and the oldest where there is no room for
// so many more.
func (m *messages) makeRoom(more int) {
	now := m.now()
	for oldest := m.byAge.Front(); oldest != nil; oldest = m.byAge.Front() {
		live := now.Sub(oldest.Value.(*keptMessage).since) < messageLife
		if live && m.kept+more <= maxKept {
			break
		}
		if live && !m.warned {
			m.warned = true
			m.log.Warn("too many recipients wait for DATA; the oldest messages are let in without having been judged", "via", "policy", "recipients", m.kept)
		}
		m.drop(oldest)
	}
	if m.kept*10 <= maxKept*9 {
		m.warned = false
	}
}

func (m *messages) drop(place *list.Element) {
	message := place.Value.(*keptMessage)
	delete(m.byInstance, message.instance)
	m.byAge.Remove(place)
	m.kept -= message.weight
}
