package maillog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// at is when the logs of these tests were read.
var at = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// String is a message as these tests expect it.
func (m Mail) String() string {
	client := "local"
	if m.ClientAddress.IsValid() {
		client = m.ClientAddress.String()
	}
	if m.ClientName != "" {
		client = m.ClientName + "/" + client
	}
	if m.HELO != "" {
		client += " (" + m.HELO + ")"
	}
	if m.Authenticated {
		client += " authenticated"
	}
	s := fmt.Sprintf("%s %s: %s <%s> <%s>", m.Direction, m.Outcome, client, m.Sender, m.Recipient)
	if m.Reply != "" {
		s += ": " + m.Reply
	}
	return s
}

// readAll reads logs.
func readAll(t testing.TB, l *Logs) (all []Mail) {
	t.Helper()
	l.Now = at.Unix()
	for m, err := range l.Mail(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// readText reads one log that is given as text.
func readText(t testing.TB, text string) ([]Mail, Counts) {
	t.Helper()
	l := &Logs{Files: []string{"-"}, Stdin: strings.NewReader(text)}
	return readAll(t, l), l.Counts
}

// lines are messages, a line each.
func lines(all []Mail) string {
	var b strings.Builder
	for _, m := range all {
		fmt.Fprintln(&b, m)
	}
	return b.String()
}

func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}
