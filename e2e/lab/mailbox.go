package lab

import (
	"bytes"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Mail is a delivered message, one for each recipient.
type Mail struct {
	To     string // the recipient, from Delivered-To
	From   string // the envelope's sender, from Return-Path, without brackets
	Header mail.Header
	Text   string // the whole message as it lies in the mailbox
}

// Mailbox returns what was delivered so far, sorted by recipient.
func (i *Instance) Mailbox() []Mail {
	i.t.Helper()
	files, _ := filepath.Glob(i.path("maildir", "new", "*"))
	var box []Mail
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			i.t.Fatal(err)
		}
		m, err := mail.ReadMessage(bytes.NewReader(text))
		if err != nil {
			i.t.Fatalf("%s: %v\n%s", f, err, text)
		}
		box = append(box, Mail{
			To:     m.Header.Get("Delivered-To"),
			From:   strings.Trim(m.Header.Get("Return-Path"), "<>"),
			Header: m.Header,
			Text:   string(text),
		})
	}
	slices.SortStableFunc(box, func(a, b Mail) int { return strings.Compare(a.To, b.To) })
	return box
}

// WaitMail returns the mailbox once n messages are in it, and fails the test
// if that takes longer than a minute or there are more.
func (i *Instance) WaitMail(n int) []Mail {
	i.t.Helper()
	poll(time.Minute, func() bool {
		files, _ := filepath.Glob(i.path("maildir", "new", "*"))
		return len(files) >= n
	})
	box := i.Mailbox()
	if len(box) != n {
		i.t.Fatalf("%s: %d messages delivered, want %d", i.MTA, len(box), n)
	}
	return box
}

// Log returns what the MTA logged so far, and before that what it printed.
func (i *Instance) Log() string {
	out, _ := os.ReadFile(i.path("out"))
	log, _ := os.ReadFile(i.path("log"))
	return string(out) + string(log)
}

// WaitLog returns the first line of the log that holds text, and fails the test
// if there is none within a minute.
func (i *Instance) WaitLog(text string) string {
	i.t.Helper()
	var found string
	ok := poll(time.Minute, func() bool {
		for line := range strings.Lines(i.Log()) {
			if strings.Contains(line, text) {
				found = strings.TrimSuffix(line, "\n")
				return true
			}
		}
		return false
	})
	if !ok {
		i.t.Fatalf("%s logged nothing with %q", i.MTA, text)
	}
	return found
}
