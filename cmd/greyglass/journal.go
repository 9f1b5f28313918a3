package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
)

// toJournal reports whether what is written to w goes to systemd's journal, by
// what systemd says of it in JOURNAL_STREAM (systemd.exec(5)).
func toJournal(w io.Writer, environ []string) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	for _, variable := range environ {
		if stream, is := strings.CutPrefix(variable, "JOURNAL_STREAM="); ok && is {
			return stream == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
		}
	}
	return false
}

// journalHandler writes each line as key=value pairs behind its priority, which
// the journal reads and takes off (sd-daemon(3)).
type journalHandler struct {
	slog.Handler // of the least priority; only its Enabled is used
	of           map[slog.Level]slog.Handler
}

// priorities are those of syslog(3).
var priorities = map[slog.Level]string{slog.LevelDebug: "<7>", slog.LevelInfo: "<6>", slog.LevelWarn: "<4>", slog.LevelError: "<3>"}

func newJournalHandler(w io.Writer, options *slog.HandlerOptions) slog.Handler {
	h := journalHandler{of: make(map[slog.Level]slog.Handler)}
	for level, priority := range priorities {
		h.of[level] = slog.NewTextHandler(&prefixed{w: w, line: []byte(priority)}, options)
	}
	h.Handler = h.of[slog.LevelDebug]
	return h
}

func (h journalHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.of[r.Level].Handle(ctx, r)
}

// prefixed writes what it is given behind a prefix, in one piece. A slog handler
// gives it one line at a time.
type prefixed struct {
	w    io.Writer
	line []byte // begins with the prefix, which is as long as those of priorities
}

func (p *prefixed) Write(text []byte) (int, error) {
	p.line = append(p.line[:len("<0>")], text...)
	_, err := p.w.Write(p.line)
	return len(text), err
}
