package maillog

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

func TestTimes(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ line, want string }{
		{"Nov 29 22:41:22 mx1 x[1]: y", "2026-11-29 21:41:22"},
		{"Jul  1 22:41:22 mx1 x[1]: y", "2026-07-01 20:41:22"},
		{"<22>Nov 29 22:41:22 x[1]: y", "2026-11-29 21:41:22"},
		{"Nov 30 23:41:22 mx1 x[1]: y", "2026-11-30 22:41:22"}, // a clock that is ahead
		{"Dec  2 22:41:22 mx1 x[1]: y", "2025-12-02 21:41:22"},
		{"Jan  1 00:00:00 mx1 x[1]: y", "2025-12-31 23:00:00"},
		{"Feb 29 12:00:00 mx1 x[1]: y", "2024-02-29 11:00:00"},
		{"2026-11-29T22:41:22+01:00 mx1 x[1]: y", "2026-11-29 21:41:22"},
		{"2026-11-29T22:41:22.123456-05:30 mx1 x[1]: y", "2026-11-30 04:11:22"},
		{"2026-11-29T22:41:22Z mx1 x[1]: y", "2026-11-29 22:41:22"},
		{"2026-11-29T22:41:22+0100 mx1 x[1]: y", "2026-11-29 21:41:22"},
		{"2024-02-29T23:59:60Z mx1 x[1]: y", "2024-03-01 00:00:00"},
		{"2026-11-29 22:41:22 y z", "2026-11-29 21:41:22"},
		{"2026-07-01 22:41:22.123 y z", "2026-07-01 20:41:22"},
		{"2026-11-29 22:41:22 +0000 [12] y z", "2026-11-29 22:41:22"},
		{"2026-11-29 22:41:22 -0100 y z", "2026-11-29 23:41:22"},
		{"2026-11-29T22:41:22 mx1 x[1]: y", ""},
		{"2026-11-31 22:41:22 y z", ""},
		{"Foo 29 22:41:22 mx1 x[1]: y", ""},
		{"Nov 29 24:41:22 mx1 x[1]: y", ""},
		{"Nov 29 22:41:22", ""},
	} {
		cal := calendar{zone: berlin, latest: at.Unix()}
		l, ok := cal.parseLine([]byte(c.line))
		got := ""
		if ok {
			got = time.Unix(l.at, 0).UTC().Format(time.DateTime)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.line, got, c.want)
		}
		if again, ok := cal.parseLine([]byte(c.line)); ok && again.at != l.at {
			t.Errorf("%s: %d the second time", c.line, again.at)
		}
	}
}

// logOf is the log of a message to a recipient, with a time that is written so.
func logOf(stamp, id, recipient string) string {
	var b strings.Builder
	for _, line := range []string{
		"smtpd[1]: " + id + ": client=mail.sender.test[203.0.113.7]",
		"qmgr[1]: " + id + ": from=<ann@sender.test>, size=259, nrcpt=1 (queue active)",
		"lmtp[1]: " + id + ": to=<" + recipient + ">, relay=x[private/lmtp], delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (ok)",
		"qmgr[1]: " + id + ": removed",
	} {
		fmt.Fprintf(&b, "%s mx1 postfix/%s\n", stamp, line)
	}
	return b.String()
}

func compressed(t *testing.T, text string, modified time.Time) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.ModTime = modified
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// recipients are those of messages, with the dates.
func recipients(all []Mail) string {
	var b strings.Builder
	for _, m := range all {
		fmt.Fprintf(&b, "%s %s\n", time.Unix(m.Time, 0).UTC().Format(time.DateTime), m.Recipient)
	}
	return b.String()
}

// TestFiles: files in any order are read in that of time, compressed ones too; a message
// may begin in one and end in the next; a time without a year is that of its file.
func TestFiles(t *testing.T) {
	begin, rest, _ := strings.Cut(logOf("Nov 22 06:00:00", "AB1111", "split@example.test"), "\n")
	old := write(t, "mail.log.3", []byte(logOf("Dec 30 10:00:00", "AB12345", "dec@example.test")+logOf("Jan  2 10:00:00", "AB12346", "jan@example.test")))
	if err := os.Chtimes(old, at, time.Date(2025, 1, 3, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	rotated := write(t, "mail.log.1", []byte(begin+"\n"))
	if err := os.Chtimes(rotated, at, at.Add(-100*time.Hour)); err != nil {
		t.Fatal(err)
	}
	l := &Logs{
		Files: []string{
			write(t, "mail.log", []byte(rest+logOf("Nov 29 10:00:00", "AB2222", "new@example.test"))),
			rotated,
			write(t, "compressed", compressed(t, logOf("Nov  1 10:00:00", "AB3333", "compressed@example.test"), time.Date(2024, 11, 3, 0, 0, 0, 0, time.UTC))),
			old,
			write(t, "empty", nil),
			"-",
		},
		Stdin: strings.NewReader(logOf("2026-11-25T10:00:00Z", "AB4444", "stdin@example.test")),
	}
	const want = `2024-11-01 10:00:00 compressed@example.test
2024-12-30 10:00:00 dec@example.test
2025-01-02 10:00:00 jan@example.test
2026-11-22 06:00:00 split@example.test
2026-11-25 10:00:00 stdin@example.test
2026-11-29 10:00:00 new@example.test
`
	if got := recipients(readAll(t, l)); got != want {
		t.Errorf("got\n%s%+v", got, l.Counts)
	}
}

// TestEximFile reads a log that Exim writes itself, with a zone, process IDs and headers of
// a refused message.
func TestEximFile(t *testing.T) {
	all, _ := readText(t, `2026-11-29 22:41:22 +0100 [12] 1xXnaG-0000Tu-1s <= ann@sender.test H=(x) [203.0.113.7] P=esmtp S=243
2026-11-29 22:41:23.123 +0100 [13] 1xXnaG-0000Tu-1s => bob <bob@example.test> R=lab_inbox T=lab_maildir
2026-11-29 22:41:23 +0100 [12] 1xXnaH-0000Tu-1s H=(x) [203.0.113.7] F=<ann@sender.test> rejected after DATA: no
Envelope-from: <ann@sender.test>
P Received: x
  2026-11-29 22:41:23 1xXnaI-0000Tu-1s <= v@victim.test H=(x) [192.0.2.1] P=esmtp S=243
2026-11-29 22:41:24 +0100 [13] 1xXnaG-0000Tu-1s Completed
`)
	if got := lines(all); got != "incoming delivered: 203.0.113.7 (x) <ann@sender.test> <bob@example.test>\n" || all[0].Time != time.Date(2026, 11, 29, 21, 41, 23, 0, time.UTC).Unix() {
		t.Errorf("got\n%s", got)
	}
}

// TestMerged: the logs of two mail servers of the same days, which may have the same
// queue IDs, are read side by side.
func TestMerged(t *testing.T) {
	first, second := "", ""
	for d := 1; d < 10; d++ {
		first += logOf(fmt.Sprintf("2026-11-%02dT10:00:00Z", d), "AB2222", "a@example.test")
		second += strings.ReplaceAll(logOf(fmt.Sprintf("2026-11-%02dT10:00:01Z", d), "AB2222", "b@example.test"), "mx1", "mx2")
	}
	l := &Logs{Files: []string{write(t, "first", []byte(first)), write(t, "second", []byte(second))}}
	var last int64
	n := 0
	for _, m := range readAll(t, l) {
		if m.Time < last {
			t.Errorf("%s is at %d, after %d", m, m.Time, last)
		}
		last = m.Time
		n++
	}
	if n != 18 || l.Counts.Lines != 72 {
		t.Errorf("%d messages: %+v", n, l.Counts)
	}
}

func TestDamagedFiles(t *testing.T) {
	text := ""
	for i := range 1000 {
		text += logOf("2026-11-29T10:00:00Z", fmt.Sprintf("AB%04d", i), fmt.Sprintf("r%d@example.test", i*7919))
	}
	whole := compressed(t, text, time.Time{})
	corrupt := bytes.Clone(whole)
	for i := len(corrupt) / 2; i < len(corrupt)/2+50; i++ {
		corrupt[i] ^= 0x55
	}
	for name, data := range map[string][]byte{"truncated": whole[:len(whole)/2], "corrupt": corrupt} {
		good := write(t, "good", []byte(logOf("2026-11-29T11:00:00Z", "AB2222", "good@example.test")))
		l := &Logs{Files: []string{write(t, name, data), good}}
		got := recipients(readAll(t, l))
		if !strings.Contains(got, "r0@example.test\n") || !strings.Contains(got, "good@example.test\n") || strings.Count(got, "\n") > 900 {
			t.Errorf("%s: %d messages", name, strings.Count(got, "\n"))
		}
		if len(l.Counts.Damaged) != 1 || !strings.Contains(l.Counts.Damaged[0], name+": ") {
			t.Errorf("%s: %+v", name, l.Counts)
		}
	}
	l := &Logs{Files: []string{write(t, "header", []byte("\x1f\x8bx"))}}
	if got := readAll(t, l); len(got) > 0 || len(l.Counts.Damaged) != 1 {
		t.Errorf("%v %+v", got, l.Counts)
	}
}

func TestMissingFiles(t *testing.T) {
	l := &Logs{Files: []string{"/nowhere/a", "/nowhere/b"}}
	for _, err := range l.Mail(t.Context()) {
		if err == nil || !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "/nowhere/b") {
			t.Errorf("%v", err)
		}
		return
	}
	t.Error("no error")
}

// TestJournal reads what journalctl --output export writes. A message with a line break,
// which comes with its length, is no line of a mail server.
func TestJournal(t *testing.T) {
	entry := func(program, message string) string {
		const usec = "1795991400000000"
		field := "MESSAGE=" + message
		if strings.ContainsAny(message, "\n\x01") {
			field = "MESSAGE\n" + string(binary.LittleEndian.AppendUint64(nil, uint64(len(message)))) + message
		}
		return "__CURSOR=s=1\n__REALTIME_TIMESTAMP=" + usec + "\n_HOSTNAME=mx1\nPRIORITY=6\nSYSLOG_IDENTIFIER=" + program + "\n" + field + "\n_PID=1\n\n"
	}
	var b strings.Builder
	for line := range strings.Lines(logOf("X", "AB2222", "bob@example.test")) {
		_, text, _ := strings.Cut(line, " mx1 ")
		program, message, _ := strings.Cut(strings.TrimSuffix(text, "\n"), "[1]: ")
		b.WriteString(entry(program, message))
		b.WriteString(entry("postfix/smtpd", "x\nAB2222: client=mail.victim.test["+victim+"]"))
		b.WriteString(entry("postfix/smtpd", strings.Repeat("x\n", 100_000)))
		b.WriteString(entry("postfix/smtpd", strings.Repeat("x", 100_000)))
	}
	all, counts := readText(t, b.String())
	if got := lines(all); got != "incoming delivered: mail.sender.test/203.0.113.7 <ann@sender.test> <bob@example.test>\n" {
		t.Errorf("got\n%s", got)
	}
	if counts.Lines != 16 || counts.Other != 4 || counts.Long != 8 || len(counts.Damaged) > 0 {
		t.Errorf("counts: %+v", counts)
	}
	all, counts = readText(t, b.String()[:len(b.String())/2])
	if len(counts.Damaged) > 1 {
		t.Errorf("cut off: %v %+v", all, counts)
	}
}
