package mtatest

import (
	"context"
	"log/slog"
	"strings"
	"sync"
)

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
