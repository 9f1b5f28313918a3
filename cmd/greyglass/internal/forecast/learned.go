package forecast

import (
	"context"

	"greyglass/greylist"
)

// learned is what 'greyglass learn' takes from a log. On each day, what the days before tell
// is in the memory, and nothing else of them but what waits.
type learned struct {
	identity greylist.Identity
	today    int64
	mail     map[greylist.Triplet]int64 // of today: when it was delivered
}

// note notes a delivered message. SPF is not known when a log is learned.
func (l *learned) note(m *mail) {
	t, err := l.identity.Triplet(greylist.NetworkClient(m.ClientAddress), m.Sender, m.Recipient)
	if err != nil {
		return
	}
	if l.identity.Provider && !m.dynamic && m.domain != "" {
		t.Client = greylist.ByName + m.domain
	}
	l.mail[t] = max(l.mail[t], m.Time)
}

// begin begins a day.
func (l *learned) begin(ctx context.Context, today int64, m *memory) {
	if today <= l.today {
		return
	}
	l.today = today
	m.forgetClients(ctx) // nothing becomes proven that has not waited
	for t, at := range l.mail {
		m.learn(m.key(t), at)
	}
	clear(l.mail)
}
