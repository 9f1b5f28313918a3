package milter

import (
	"container/list"
	"sync"
	"time"

	"greyglass/greylist"
)

const (
	// maxMessages bounds how many messages have recipients that wait for DATA.
	// The oldest make room: their mail is then let in without having been judged.
	maxMessages = 10000

	// messageLife is how long recipients are kept for a DATA that does not
	// come. A client may take 5 minutes for each command (RFC 5321, section
	// 4.5.3.2), and have more recipients to name.
	messageLife = 30 * time.Minute
)

// messages holds the recipients that RCPT has left to DATA, by the message's
// instance. A policy client may ask about each on another connection.
type messages struct {
	now func() time.Time

	mu         sync.Mutex
	byInstance map[string]*list.Element
	byAge      *list.List // of *keptMessage, the oldest first
}

type keptMessage struct {
	instance string
	since    time.Time
	attempts []greylist.Attempt
}

func newMessages(now func() time.Time) *messages {
	return &messages{now: now, byInstance: make(map[string]*list.Element), byAge: list.New()}
}

// keep notes a recipient, unless the message has so many already.
func (m *messages) keep(instance string, a greylist.Attempt, limit int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	place, known := m.byInstance[instance]
	if !known {
		for oldest := m.byAge.Front(); oldest != nil; oldest = m.byAge.Front() {
			if m.byAge.Len() < maxMessages && now.Sub(oldest.Value.(*keptMessage).since) < messageLife {
				break
			}
			m.drop(oldest)
		}
		place = m.byAge.PushBack(&keptMessage{instance: instance, since: now})
		m.byInstance[instance] = place
	}
	message := place.Value.(*keptMessage)
	if len(message.attempts) >= limit {
		return false
	}
	message.attempts = append(message.attempts, a)
	return true
}

// take returns a message's recipients, and forgets them.
func (m *messages) take(instance string) []greylist.Attempt {
	m.mu.Lock()
	defer m.mu.Unlock()
	place, known := m.byInstance[instance]
	if !known {
		return nil
	}
	m.drop(place)
	return place.Value.(*keptMessage).attempts
}

func (m *messages) drop(place *list.Element) {
	delete(m.byInstance, place.Value.(*keptMessage).instance)
	m.byAge.Remove(place)
}
