package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"greyglass/cmd/greyglass/internal/config"
)

// logHandler writes the log in the configured format, which a reload may change.
type logHandler struct {
	w       *logWriter
	journal bool // w is systemd's journal
	current atomic.Pointer[format]
}

// format is how lines are written.
type format struct {
	level      slog.Level
	to         func(io.Writer) slog.Handler
	priorities bool      // before each line
	idle       sync.Pool // of *liner
}

// liner is a handler that makes one line at a time. A shared handler of slog would hold
// a lock while it writes.
type liner struct {
	slog.Handler
	text bytes.Buffer
}

func newLog(w io.Writer, journal bool, c config.Log) (*slog.Logger, *logHandler) {
	h := &logHandler{w: newLogWriter(w), journal: journal}
	h.adopt(c)
	log := slog.New(h)
	h.w.recovered = func(dropped int64, after time.Duration) {
		log.Warn(eventLogRecovered, "lines", dropped, "after", after.Round(time.Millisecond).String())
	}
	return log, h
}

// adopt applies a configuration to the lines that follow.
func (h *logHandler) adopt(c config.Log) {
	f := &format{priorities: h.journal && c.Format != "json"}
	if err := f.level.UnmarshalText([]byte(c.Level)); err != nil {
		panic(fmt.Sprintf("log.level %q was not checked", c.Level))
	}
	options := &slog.HandlerOptions{Level: f.level}
	f.to = func(w io.Writer) slog.Handler {
		if c.Format == "json" {
			return slog.NewJSONHandler(w, options)
		}
		return slog.NewTextHandler(w, options)
	}
	f.idle.New = func() any {
		l := new(liner)
		l.Handler = f.to(&l.text)
		return l
	}
	h.current.Store(f)
}

func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool {
	return l >= h.current.Load().level
}

func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	f := h.current.Load()
	l := f.idle.Get().(*liner)
	defer f.idle.Put(l)
	l.text.Reset()
	if f.priorities {
		l.text.WriteString(priorities[r.Level])
	}
	if err := l.Handler.Handle(ctx, r); err != nil {
		return err
	}
	_, err := h.w.Write(l.text.Bytes())
	return err
}

// Greyglass derives no loggers, so derived ones need not follow reloads.
func (h *logHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return h.current.Load().to(h.w).WithAttrs(a)
}
func (h *logHandler) WithGroup(name string) slog.Handler {
	return h.current.Load().to(h.w).WithGroup(name)
}
