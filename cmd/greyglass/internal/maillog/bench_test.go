package maillog

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// month generates the log of a Postfix for n messages within 30 days: seven lines for each
// that is delivered, three for each of a third that is greylisted, all overlapping.
type month struct {
	n, i   int
	random *rand.Rand
	buf    bytes.Buffer
}

func newMonth(n int) *month { return &month{n: n, random: rand.New(rand.NewPCG(1, 2))} }

func (g *month) Read(b []byte) (int, error) {
	for g.buf.Len() < len(b) && g.i < g.n {
		g.i++
		r := g.random
		at := time.Date(2026, 10, 31, 0, 0, 0, 0, time.UTC).Add(time.Duration(30*day*g.i/g.n) * time.Second)
		client := fmt.Sprintf("mail%d.example%d.net[203.%d.%d.%d]", r.IntN(5), r.IntN(5000), r.IntN(100), r.IntN(200), r.IntN(200))
		sender := fmt.Sprintf("user%d@example%d.net", r.IntN(100), r.IntN(5000))
		recipient := fmt.Sprintf("bob%d@example.test", r.IntN(500))
		log := func(service, format string, arguments ...any) {
			fmt.Fprintf(&g.buf, "%s mx1 postfix/%s[%d]: "+format+"\n", append([]any{at.Format(time.Stamp), service, 1000 + r.IntN(1000)}, arguments...)...)
		}
		log("smtpd", "connect from %s", client)
		if g.i%3 == 0 {
			log("smtpd", "NOQUEUE: reject: RCPT from %s: 450 4.2.0 <%s>: Recipient address rejected: Greylisted; from=<%s> to=<%s> proto=ESMTP helo=<mail.example.net>", client, recipient, sender, recipient)
			log("smtpd", "disconnect from %s ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4", client)
			continue
		}
		id := fmt.Sprintf("%X", 0x3B1C0000000+g.i)
		log("smtpd", "%s: client=%s", id, client)
		log("cleanup", "%s: message-id=<%d.%s>", id, g.i, sender)
		log("qmgr", "%s: from=<%s>, size=%d, nrcpt=1 (queue active)", id, sender, r.IntN(100000))
		log("smtpd", "disconnect from %s ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7", client)
		log("lmtp", "%s: to=<%s>, relay=mx1.example.test[private/dovecot-lmtp], delay=0.32, delays=0.2/0.01/0.01/0.1, dsn=2.0.0, status=sent (250 2.0.0 <%s> AbCdEf Saved)", id, recipient, recipient)
		log("qmgr", "%s: removed", id)
	}
	if g.buf.Len() == 0 {
		return 0, io.EOF
	}
	return g.buf.Read(b)
}

// BenchmarkMonth reads a log of some 57,000 lines. The issue of reading a month of a busy
// site is its 5 million lines: see the lines a second, and TestMemory for what it takes.
func BenchmarkMonth(b *testing.B) {
	text, err := io.ReadAll(newMonth(10_000))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	var read int64
	for b.Loop() {
		l := &Logs{Files: []string{"-"}, Stdin: bytes.NewReader(text), Now: at.Unix()}
		for range l.Mail(b.Context()) {
		}
		read += l.Counts.Lines
	}
	b.ReportMetric(float64(read)/b.Elapsed().Seconds(), "lines/s")
}

// TestMemory: what is kept does not grow with the log.
func TestMemory(t *testing.T) {
	used := func(n int) uint64 {
		var before, after runtime.MemStats
		l := &Logs{Files: []string{"-"}, Stdin: newMonth(n), Now: at.Unix()}
		runtime.GC()
		runtime.ReadMemStats(&before)
		i := 0
		for range l.Mail(t.Context()) {
			if i++; i == n/2 {
				runtime.GC()
				runtime.ReadMemStats(&after)
			}
		}
		return max(after.HeapAlloc, before.HeapAlloc) - before.HeapAlloc
	}
	if few, many := used(2000), used(40_000); many > few+1<<20 {
		t.Errorf("%d octets with 40,000 messages, %d with 2,000", many, few)
	}
}
