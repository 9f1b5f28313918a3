package milter

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

// memory remembers in a map.
type memory struct {
	mu      sync.Mutex
	entries map[greylist.Triplet]greylist.Entry
	fail    error                 // of every call
	block   func(context.Context) // comes before every update
}

func (m *memory) Update(ctx context.Context, t greylist.Triplet, change greylist.Change) error {
	m.mu.Lock()
	fail, block := m.fail, m.block
	m.mu.Unlock()
	if block != nil {
		block(ctx)
	}
	if fail != nil {
		return fail
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var known *greylist.Entry
	if e, ok := m.entries[t]; ok {
		known = &e
	}
	if e, write := change(known); write {
		m.entries[t] = e
	}
	return nil
}

func (m *memory) Get(_ context.Context, t greylist.Triplet) (*greylist.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.entries[t]; ok {
		return &e, m.fail
	}
	return nil, m.fail
}

func (m *memory) Ping(context.Context) error { m.mu.Lock(); defer m.mu.Unlock(); return m.fail }

func (m *memory) breakDown(err error) { m.mu.Lock(); m.fail = err; m.mu.Unlock() }

// breakIn makes something happen before every update.
func (m *memory) breakIn(what func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.block = nil
	if what != nil {
		m.block = func(context.Context) { what() }
	}
}

// hold makes updates wait: each is told on the first channel, and goes on once
// the second is closed, or its context ends.
func (m *memory) hold() (arrived <-chan struct{}, release chan struct{}) {
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

func (m *memory) clear()    { m.mu.Lock(); defer m.mu.Unlock(); clear(m.entries) }
func (m *memory) size() int { m.mu.Lock(); defer m.mu.Unlock(); return len(m.entries) }

// triplets are what is remembered, in order.
func (m *memory) triplets() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for t := range maps.Keys(m.entries) {
		all = append(all, t.String())
	}
	slices.Sort(all)
	return all
}

// testClock is set by the test.
type testClock struct {
	mu   sync.Mutex
	unix int64
}

func (c *testClock) now() time.Time  { c.mu.Lock(); defer c.mu.Unlock(); return time.Unix(c.unix, 0) }
func (c *testClock) advance(s int64) { c.mu.Lock(); defer c.mu.Unlock(); c.unix += s }

// logbook keeps the log, a line as a map that has the message at "msg".
type logbook struct {
	mu    sync.Mutex
	lines []map[string]string
}

func (*logbook) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (b *logbook) WithAttrs([]slog.Attr) slog.Handler         { panic("not in use") }
func (b *logbook) WithGroup(string) slog.Handler              { panic("not in use") }

func (b *logbook) Handle(_ context.Context, r slog.Record) error {
	line := map[string]string{"msg": r.Message, "level": r.Level.String()}
	r.Attrs(func(a slog.Attr) bool { line[a.Key] = a.Value.String(); return true })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, line)
	return nil
}

func (b *logbook) clear() { b.mu.Lock(); defer b.mu.Unlock(); b.lines = nil }

// all returns the lines whose message holds the text.
func (b *logbook) all(text string) []map[string]string {
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

func (b *logbook) last(text string) map[string]string {
	if found := b.all(text); len(found) > 0 {
		return found[len(found)-1]
	}
	return nil
}

// defaultLimits are the bounds of requests that hold if nothing else is said.
var defaultLimits = func() *Limits { l := Limits{}.orDefaults(); return &l }()
