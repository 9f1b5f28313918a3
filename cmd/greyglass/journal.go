package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
)

// toJournal reports whether w is systemd's journal, by JOURNAL_STREAM
// (systemd.exec(5)).
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

// priorities are those of syslog(3). The journal reads and removes the one before a
// line (sd-daemon(3)).
var priorities = map[slog.Level]string{slog.LevelDebug: "<7>", slog.LevelInfo: "<6>", slog.LevelWarn: "<4>", slog.LevelError: "<3>"}
