package decisionlog

import (
	"bytes"
	"log/slog"
	"testing"
	"time"
)

const (
	inText = `time=2026-11-29T19:20:01.123Z level=INFO msg=decision verdict=defer reason=not-seen-before client=203.0.113.7 helo="a b" sender=<> recipient=bob@example.org wait=3600 queue_id=4F1A via=milter took=0.512ms`
	inJSON = `{"time":"2026-11-29T19:20:01.123Z","level":"INFO","msg":"decision","verdict":"defer","reason":"not-seen-before","client":"203.0.113.7","helo":"a b","sender":"<>","recipient":"bob@example.org","wait":3600,"queue_id":"4F1A","via":"milter","took":"0.512ms"}`
	inWord = `2026-11-29 19:20:01 UTC deferred <> -> bob@example.org from 203.0.113.7 (a b): not-seen-before; retry passes in 1 hour; queue ID 4F1A`
)

func inWords(d Decision) string {
	at, verdict, rest := d.Line(time.UTC)
	return at + verdict + rest
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, line, want string }{
		{"text", inText, inWord},
		{"text with a line end", inText + "\r\n", inWord},
		{"JSON", inJSON, inWord},
		{"priority", "<6>" + inText, inWord},
		{"RFC 3164", "Nov 29 19:20:01 mx greyglass[123]: " + inText, inWord},
		{"RFC 3164, first of the month", "Nov  1 19:20:01 mx greyglass: " + inJSON, inWord},
		{"RFC 3339", "2026-11-29T19:20:01.1+01:00 mx greyglass[1]: " + inText, inWord},
		{"probe", `time=2026-11-29T19:20:01Z level=INFO msg=decision verdict=accept reason=local client="" helo="" sender=a@example.net recipient=b@example.org via=probe`,
			"2026-11-29 19:20:01 UTC accepted (probe) a@example.net -> b@example.org from a client without an address: local"},
		{"a key of a later version", inText + " later=x", inWord},
		{"empty", "", ""},
		{"no decision", "time=2026-11-29T19:20:01.123Z level=INFO msg=started", ""},
		{"no decision in JSON", `{"time":"2026-11-29T19:20:01.123Z","msg":"started"}`, ""},
		{"cut short in a value", inText[:len(inText)-60] + ` helo="a`, ""},
		{"no time", inText[len("time=2026-11-29T19:20:01.123Z "):], ""},
		{"no number", `time=2026-11-29T19:20:01Z msg=decision verdict=defer wait=soon`, ""},
		{"another program's line that looks like ours", "Nov 29 19:20:01 mx postfix/smtpd[1]: helo=<x greyglass[1]: " + inText, ""},
		{"a value that looks like a decision", `time=2026-11-29T19:20:01Z level=WARN msg=x error="a msg=decision verdict=accept"`, ""},
		{"garbage", "\x00\xff{{{", ""},
	} {
		d, ok := Parse(c.line)
		if got := inWords(d); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%s: %v %s", c.name, ok, got)
		}
	}
}

// Addresses, which clients choose, do nothing to the terminal.
func TestLineIsPrintable(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	hostile := "\x1b[2J\u202e\n\" msg=decision"
	slog.New(slog.NewTextHandler(&log, nil)).Info("decision", "verdict", hostile, "reason", hostile, "client", hostile, "helo", hostile,
		"sender", hostile, "recipient", hostile, "wait", 1, "error", hostile)
	d, ok := Parse(log.String())
	if !ok || d.Sender != hostile {
		t.Fatalf("%v %+v", ok, d)
	}
	for _, r := range inWords(d) {
		if r < ' ' || r > '~' {
			t.Errorf("%q is in the line", r)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(inText)
	f.Add("<6>Nov 29 19:20:01 mx greyglass[123]: " + inJSON)
	f.Fuzz(func(t *testing.T, line string) {
		if d, ok := Parse(line); ok && (d.Message != "decision" || inWords(d) == "") {
			t.Errorf("%q: %+v", line, d)
		}
	})
}
