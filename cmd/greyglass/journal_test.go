package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"greyglass/cmd/greyglass/internal/config"
)

// A line in the journal has its priority before it, as sd-daemon(3) says; JSON
// stays JSON, for those who read it from there.
func TestJournalPriorities(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{
		"text": `^<7>time=\S+ level=DEBUG msg=a\n<6>time=\S+ level=INFO msg=b\n<4>time=\S+ level=WARN msg=c\n<3>time=\S+ level=ERROR msg=d k=v\n$`,
		"json": `^({"time":.*}\n){4}$`,
	} {
		var text strings.Builder
		log, handler := newLog(&text, true, config.Log{Level: "debug", Format: format})
		log.Debug("a")
		log.Info("b")
		log.Warn("c")
		log.Error("d", "k", "v")
		if !handler.w.flush(time.Minute) {
			t.Fatal("the log was not written")
		}
		if !regexp.MustCompile(want).MatchString(text.String()) {
			t.Errorf("%s: %s", format, text.String())
		}
	}
	var text strings.Builder
	log, handler := newLog(&text, true, config.Log{Level: "warn", Format: "text"})
	if log.Info("b"); log.Enabled(context.Background(), slog.LevelInfo) || !handler.w.flush(time.Minute) || text.Len() > 0 {
		t.Errorf("logged below the level: %s", text.String())
	}
}

func TestToJournal(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	info, err := w.Stat()
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	same := fmt.Sprintf("JOURNAL_STREAM=%d:%d", stat.Dev, stat.Ino)
	for _, c := range []struct {
		environ []string
		want    bool
	}{
		{[]string{"A=b", same}, true},
		{[]string{same + "0"}, false}, // standard error was led elsewhere
		{nil, false},
	} {
		if got := toJournal(w, c.environ); got != c.want {
			t.Errorf("%v: %t, want %t", c.environ, got, c.want)
		}
	}
	if toJournal(&strings.Builder{}, []string{same}) {
		t.Error("a buffer is not the journal")
	}
}
