package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"greyglass/cmd/greyglass/internal/config"
)

// logHandler writes the log as the configuration says, also after a reload.
type logHandler struct {
	w       *logWriter
	journal bool // w is systemd's journal
	current atomic.Pointer[slog.Handler]
}

func newLog(w io.Writer, journal bool, c config.Log) (*slog.Logger, *logHandler) {
	h := &logHandler{w: newLogWriter(w), journal: journal}
	h.adopt(c)
	return slog.New(h), h
}

// adopt makes a configuration hold from the next line on.
func (h *logHandler) adopt(c config.Log) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		panic(fmt.Sprintf("log.level %q was not checked", c.Level))
	}
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler
	switch {
	case c.Format == "json":
		handler = slog.NewJSONHandler(h.w, options)
	case h.journal:
		handler = newJournalHandler(h.w, options)
	default:
		handler = slog.NewTextHandler(h.w, options)
	}
	h.current.Store(&handler)
}

func (h *logHandler) handler() slog.Handler { return *h.current.Load() }

func (h *logHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.handler().Enabled(ctx, l)
}
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.handler().Handle(ctx, r)
}

// Nobody in Greyglass derives a logger, so a derived one need not follow reloads.
func (h *logHandler) WithAttrs(a []slog.Attr) slog.Handler { return h.handler().WithAttrs(a) }
func (h *logHandler) WithGroup(name string) slog.Handler   { return h.handler().WithGroup(name) }
