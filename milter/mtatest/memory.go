package mtatest

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"greyglass/greylist"
)

// Memory remembers in a map.
type Memory struct {
	mu      sync.Mutex
	entries map[greylist.Triplet]greylist.Entry
	fail    error                 // of every call
	block   func(context.Context) // comes before every update
}

func (m *Memory) Update(ctx context.Context, triplets []greylist.Triplet, change greylist.Change) (greylist.Decision, error) {
	m.mu.Lock()
	fail, block := m.fail, m.block
	m.mu.Unlock()
	if block != nil {
		block(ctx)
	}
	if fail != nil {
		return greylist.Decision{}, fail
	}
	if err := ctx.Err(); err != nil {
		return greylist.Decision{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	remembered := make([]*greylist.Entry, len(triplets))
	for i, t := range triplets {
		if e, ok := m.entries[t]; ok {
			remembered[i] = &e
		}
	}
	d := change(remembered)
	for i, e := range d.Writes() {
		m.entries[triplets[i]] = e
	}
	return d, nil
}

func (m *Memory) Get(_ context.Context, t greylist.Triplet) (*greylist.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.entries[t]; ok {
		return &e, m.fail
	}
	return nil, m.fail
}

func (m *Memory) Ping(context.Context) error { m.mu.Lock(); defer m.mu.Unlock(); return m.fail }

func (m *Memory) Fail(err error) { m.mu.Lock(); m.fail = err; m.mu.Unlock() }

// BeforeUpdates makes something happen before every update.
func (m *Memory) BeforeUpdates(what func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.block = nil
	if what != nil {
		m.block = func(context.Context) { what() }
	}
}

// Hold makes updates wait: each is told on the first channel, and goes on once
// the second is closed, or its context ends.
func (m *Memory) Hold() (arrived <-chan struct{}, release chan struct{}) {
	a := make(chan struct{}, 100)
	release = make(chan struct{})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.block = func(ctx context.Context) {
		a <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
	}
	return a, release
}

func (m *Memory) Clear()    { m.mu.Lock(); defer m.mu.Unlock(); clear(m.entries) }
func (m *Memory) Size() int { m.mu.Lock(); defer m.mu.Unlock(); return len(m.entries) }

// Triplets are what is remembered, in order.
func (m *Memory) Triplets() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for t := range maps.Keys(m.entries) {
		all = append(all, t.String())
	}
	slices.Sort(all)
	return all
}

// NewClock makes a clock that stands at a time.
func NewClock(unix int64) *Clock { return &Clock{unix: unix} }

// Clock is set by the test.
type Clock struct {
	mu   sync.Mutex
	unix int64
}

func (c *Clock) Now() time.Time  { c.mu.Lock(); defer c.mu.Unlock(); return time.Unix(c.unix, 0) }
func (c *Clock) Advance(s int64) { c.mu.Lock(); defer c.mu.Unlock(); c.unix += s }

// Log keeps the log, a line as a map that has the message at "msg".
type Log struct {
	mu    sync.Mutex
	lines []map[string]string
}

func (*Log) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (b *Log) WithAttrs([]slog.Attr) slog.Handler         { panic("not in use") }
func (b *Log) WithGroup(string) slog.Handler              { panic("not in use") }

func (b *Log) Handle(_ context.Context, r slog.Record) error {
	line := map[string]string{"msg": r.Message, "level": r.Level.String()}
	r.Attrs(func(a slog.Attr) bool { line[a.Key] = a.Value.String(); return true })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, line)
	return nil
}

func (b *Log) Clear() { b.mu.Lock(); defer b.mu.Unlock(); b.lines = nil }

// All returns the lines whose message holds the text.
func (b *Log) All(text string) []map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []map[string]string
	for _, line := range b.lines {
		if strings.Contains(line["msg"], text) {
			found = append(found, line)
		}
	}
	return found
}

func (b *Log) Last(text string) map[string]string {
	if found := b.All(text); len(found) > 0 {
		return found[len(found)-1]
	}
	return nil
}

// NewMemory makes an empty one.
func NewMemory() *Memory { return &Memory{entries: make(map[greylist.Triplet]greylist.Entry)} }

// Set remembers a triplet.
func (m *Memory) Set(t greylist.Triplet, e greylist.Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries[t] = e
}

// Rows are what is remembered, times and all.
func (m *Memory) Rows() map[greylist.Triplet]greylist.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.entries)
}
