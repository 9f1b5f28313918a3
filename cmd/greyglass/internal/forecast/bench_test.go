package forecast

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"greyglass/cmd/greyglass/internal/maillog"
)

// BenchmarkMonth forecasts, once, a month of a busy site: a log of 5 million lines of
// Postfix, under all three configurations. It reports the seconds, and the most memory of
// the process in the meantime.
func BenchmarkMonth(b *testing.B) {
	file := filepath.Join(b.TempDir(), "mail.log")
	writeLog(b, file, newMonth(1, 650_000))
	debug.FreeOSMemory()
	peak := watchMemory()
	for b.Loop() {
		f := newForecast(b, configured(b, "present", "greylist.client_identity=provider"), configured(b, "classic"), configured(b, "gentle", "greylist.profile=gentle"))
		logs := maillog.Logs{Files: []string{file}, Now: monthBegins + 40*day}
		for mail, err := range logs.Mail(b.Context()) {
			if err != nil {
				b.Fatal(err)
			}
			f.Add(mail)
		}
		r := end(b, f)
		b.ReportMetric(float64(logs.Counts.Lines), "lines")
		b.ReportMetric(float64(r.Configurations[0].Delivered.Messages+r.Configurations[0].Rejected.Messages), "messages")
	}
	b.ReportMetric(float64(peak())/1e6, "MB")
}

// watchMemory returns a function that ends watching, and returns the most memory that the
// process has had from the system since.
func watchMemory() func() uint64 {
	stop, most := make(chan struct{}), make(chan uint64)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		peak := uint64(0)
		for {
			metrics.Read(sample)
			peak = max(peak, sample[0].Value.Uint64()-sample[1].Value.Uint64())
			select {
			case <-stop:
				most <- peak
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		close(stop)
		runtime.Gosched()
		return <-most
	}
}

// writeLog writes a month as Postfix logs it.
func writeLog(t testing.TB, file string, m *month) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	for i := range m.messages {
		m.messages[i].log(w)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// log writes the lines of a message.
func (m *message) log(w io.Writer) {
	name := m.ClientName
	if name == "" {
		name = "unknown"
	}
	at := time.Unix(m.Time, 0).UTC().Format("2006-01-02T15:04:05.000000+00:00")
	client := fmt.Sprintf("%s[%s]", name, m.ClientAddress)
	line := func(service, format string, args ...any) {
		fmt.Fprintf(w, "%s mx postfix/%s[4711]: %s\n", at, service, fmt.Sprintf(format, args...))
	}
	line("smtpd", "connect from %s", client)
	if m.Outcome == maillog.Rejected {
		line("smtpd", "NOQUEUE: reject: RCPT from %s: 550 5.1.1 <%s>: Recipient address rejected: User unknown; from=<%s> to=<%s> proto=ESMTP helo=<%s>",
			client, m.Recipient, m.Sender, m.Recipient, name)
		line("smtpd", "disconnect from %s ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4", client)
		return
	}
	line("smtpd", "%s: client=%s", m.QueueID, client)
	line("cleanup", "%s: message-id=<%s.%d@%s>", m.QueueID, m.QueueID, m.Time, name)
	line("qmgr", "%s: from=<%s>, size=4321, nrcpt=1 (queue active)", m.QueueID, m.Sender)
	line("lmtp", "%s: to=<%s>, relay=mx[private/dovecot-lmtp], delay=0.3, delays=0.1/0/0.1/0.1, dsn=2.0.0, status=sent (250 2.0.0 <%s> kXq Saved)", m.QueueID, m.Recipient, m.Recipient)
	line("qmgr", "%s: removed", m.QueueID)
	line("smtpd", "disconnect from %s ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7", client)
}
