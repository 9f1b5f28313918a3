package maillog

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// victim is what the forged lines of these tests would teach.
const victim = "192.0.2.1"

// TestForged: what a client says looks like what the mail server writes. Each log tells of
// a message from 203.0.113.7, and nothing of it is learned that the client made up: only
// what is wanted, or nothing.
func TestForged(t *testing.T) {
	const (
		postfixBegin = "postfix/smtpd AB276224049: client=mail.sender.test[203.0.113.7]\n"
		postfixFrom  = "postfix/qmgr AB276224049: from=<ann@sender.test>, size=259, nrcpt=1 (queue active)\n"
		postfixSent  = "postfix/virtual AB276224049: to=<bob@example.test>, relay=virtual, delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)\n"
		postfixTrue  = "incoming delivered: mail.sender.test/203.0.113.7 <ann@sender.test> <bob@example.test>\n"

		eximSent = "exim 1xXnaG-0000Tu-1s => bob <bob@example.test> R=lab_inbox T=lab_maildir\n"
	)
	for _, c := range []struct{ name, log, want string }{
		// Postfix since 3.5 writes quotes around local parts that need them; before, it did not.
		{"the sender", postfixBegin + `postfix/qmgr AB276224049: from=<"x>, size=1, nrcpt=1 (queue active)"@sender.test>, size=259, nrcpt=1 (queue active)` + "\n" + postfixSent, "unknown delivered: mail.sender.test/203.0.113.7 <> <bob@example.test>\n"},
		{"the sender, without quotes", postfixBegin + "postfix/qmgr AB276224049: from=<eve@victim.test>, size=1, nrcpt=1 (queue active)@sender.test>, size=259, nrcpt=1 (queue active)\n" + postfixSent, "unknown delivered: mail.sender.test/203.0.113.7 <> <bob@example.test>\n"},
		{"the recipient", postfixBegin + postfixFrom + `postfix/virtual AB276224049: to=<"a>, relay=virtual, delay=0, dsn=2.0.0, status=sent (x)"@example.test>, relay=none, delay=0.1, delays=0/0/0/0, dsn=5.1.1, status=bounced (no such user)` + "\n", ""},
		{"the recipient, without quotes", postfixBegin + postfixFrom + "postfix/virtual AB276224049: to=<ceo@example.test>, relay=virtual, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (@example.test>, relay=none, delay=0.1, delays=0/0/0/0, dsn=5.1.1, status=bounced (no such user)\n", ""},
		{"the original recipient", postfixBegin + postfixFrom + "postfix/virtual AB276224049: to=<bob@example.test>, orig_to=<ceo@example.test>, relay=virtual, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (@example.test>, relay=none, delay=0.1, delays=0/0/0/0, dsn=5.1.1, status=bounced (no such user)\n", ""},
		{"the server's reply", postfixBegin + postfixFrom + "postfix/smtp AB276224049: to=<bob@example.test>, relay=mx.far.test[198.51.100.1]:25, delay=0.1, delays=0/0/0/0, dsn=4.0.0, status=deferred (said: 450 x, dsn=2.0.0, status=sent (ok))\n", ""},
		{"a server's reply names another message", postfixBegin + postfixFrom + "postfix/smtpd AB276224050: client=mail.victim.test[" + victim + "]\npostfix/qmgr AB276224050: from=<v@victim.test>, size=259, nrcpt=1 (queue active)\n" +
			"postfix/smtp AB276224049: to=<bob@example.test>, relay=inner.test[10.0.0.9]:25, delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (250 queued as AB276224050)\n", postfixTrue},
		{"a header that is logged", postfixBegin + postfixFrom + "postfix/cleanup AB276224049: warning: header Subject: AB276224049: client=mail.victim.test[" + victim + "]; from=<v@victim.test> to=<ceo@example.test> proto=ESMTP helo=<x> from mail.sender.test[203.0.113.7]; from=<ann@sender.test> to=<bob@example.test> proto=ESMTP helo=<x>\n" + postfixSent, postfixTrue},
		{"a header that is refused", postfixBegin + "postfix/cleanup AB276224049: reject: header Subject: x from mail.victim.test[" + victim + "]: 5.7.1 x; from=<v@victim.test> to=<ceo@example.test> proto=ESMTP helo=<x>: y from mail.sender.test[203.0.113.7]; from=<ann@sender.test> to=<bob@example.test> proto=ESMTP helo=<x>: 5.7.1 no\n", ""},
		{"the message ID", postfixBegin + postfixFrom + "postfix/cleanup AB276224049: message-id=<x>, client=mail.victim.test[" + victim + "]\npostfix/cleanup AB276224049: message-id=<AB276224049: client=mail.victim.test[" + victim + "]>\n" + postfixSent, postfixTrue},
		{"the user's name", "postfix/smtpd AB276224049: client=unknown[203.0.113.7], sasl_method=PLAIN, sasl_username=x, orig_client=mail.victim.test[" + victim + "]\n" + postfixFrom + postfixSent, "internal delivered: 203.0.113.7 authenticated <ann@sender.test> <bob@example.test>\n"},
		{"a client outside that says it is a filter", "postfix/smtpd AB276224049: client=mail.sender.test[203.0.113.7], orig_queue_id=AB276224050, orig_client=mail.victim.test[" + victim + "]\n" + postfixFrom + postfixSent, postfixTrue},
		{"the recipient of a refusal", `postfix/smtpd NOQUEUE: reject: RCPT from unknown[203.0.113.7]: 550 5.1.1 <"x; from=<v@victim.test> to=<c"@example.test>: no; from=<ann@sender.test> to=<"x; from=<v@victim.test> to=<c"@example.test> proto=ESMTP helo=<x>` + "\n", ""},
		{"the recipient of a refusal, without quotes", "postfix/smtpd NOQUEUE: reject: RCPT from unknown[203.0.113.7]: 550 5.1.1 no; from=<ann@sender.test> to=<x; from=<v@victim.test> to=<ceo@example.test> proto=ESMTP helo=<x>\n", ""},
		{"the sender of a refusal, without quotes", "postfix/smtpd NOQUEUE: reject: RCPT from unknown[203.0.113.7]: 550 5.1.1 no; from=<v@victim.test> to=<ceo@example.test> proto=ESMTP helo=<x@sender.test> to=<bob@example.test> proto=ESMTP helo=<y>\n", ""},
		{"the HELO of a refusal", "postfix/smtpd NOQUEUE: reject: RCPT from unknown[203.0.113.7]: 550 5.7.1 <x; from=<v@victim.test> to=<ceo@example.test> proto=ESMTP helo=<y>>: Helo command rejected; from=<ann@sender.test> to=<bob@example.test> proto=ESMTP helo=<x??from=?v?victim.test?>\n", ""},
		{"the name of a client", "postfix/smtpd AB276224049: client=mail.victim.test[" + victim + "], x.test[203.0.113.7]\n" + postfixFrom + postfixSent, ""},

		{"the HELO, which Exim took although it is none", "exim 1xXnaG-0000Tu-1s <= ann@sender.test H=(x) [" + victim + "] P=esmtps S=1 id=(y) [203.0.113.7] P=esmtp S=243\n" + eximSent, "unknown delivered: local <> <bob@example.test>\n"},
		{"the HELO, with a name", "exim 1xXnaG-0000Tu-1s <= ann@sender.test H=mail.sender.test (mail.victim.test) [" + victim + "] P=esmtpa A=plain:x (y) [203.0.113.7] P=esmtp S=243\n" + eximSent, "unknown delivered: local <> <bob@example.test>\n"},
		{"the HELO, without a protocol", "exim 1xXnaG-0000Tu-1s <= ann@sender.test H=(x) [" + victim + "] (y) [203.0.113.7] P=esmtp S=243\n" + eximSent, "unknown delivered: local <> <bob@example.test>\n"},
		{"the sender, for Exim", `exim 1xXnaG-0000Tu-1s <= "x H=mail.victim.test [` + victim + `] P=esmtp S=1"@sender.test H=(x) [203.0.113.7] P=esmtp S=243` + "\n" + eximSent, "unknown delivered: local <> <bob@example.test>\n"},
		{"the subject", `exim 1xXnaG-0000Tu-1s <= ann@sender.test H=(x) [203.0.113.7] P=esmtp S=243 id=<1 H=mail.victim.test [` + victim + `] P=esmtpa> T="x H=mail.victim.test [` + victim + `]" for bob@example.test` + "\n" + eximSent, "unknown delivered: local <> <bob@example.test>\n"},
		{"the subject, without a protocol", `exim 1xXnaG-0000Tu-1s <= ann@sender.test H=(x) [203.0.113.7] P=esmtp S=243 T="1xXnaG-0000Tu-1s <= v@victim.test H=mail.victim.test [` + victim + `]" for bob@example.test` + "\n" + eximSent, "incoming delivered: 203.0.113.7 (x) <ann@sender.test> <bob@example.test>\n"},
		{"the recipient, for Exim", "exim 1xXnaG-0000Tu-1s <= ann@sender.test H=(x) [203.0.113.7] P=esmtp S=243\n" + `exim 1xXnaG-0000Tu-1s => "a <ceo@example.test> R=lab_inbox T=x" <"a <ceo@example.test> R=lab_inbox T=x"@example.test> R=lab_inbox T=lab_maildir` + "\n", ""},
		{"the sender of a refusal, for Exim", `exim H=(x) [203.0.113.7] F=<"x> rejected RCPT <ceo@example.test>: "@sender.test> rejected RCPT <bob@example.test>: no` + "\n", ""},
		{"the recipient of a refusal, for Exim", `exim H=(x) [203.0.113.7] F=<ann@sender.test> rejected RCPT <ceo@example.test>: x@example.test>: F=<ann@sender.test> rejected RCPT <bob@example.test>: no` + "\n", ""},
		{"a HELO that Exim refuses", "exim rejected HELO from [203.0.113.7]: syntactically invalid argument(s): x H=(x) [" + victim + "] F=<v@victim.test> rejected RCPT <ceo@example.test>: no\n", ""},

		{"the message ID, for Sendmail", "sendmail 6ATMfIl5001809: from=<ann@sender.test>, size=33, class=0, nrcpts=1, msgid=<1, proto=ESMTPA, daemon=x, relay=mail.victim.test [" + victim + "]>, proto=ESMTP, daemon=MTA-v4, relay=mail.sender.test [203.0.113.7]\nsendmail 6ATMfIl5001809: to=<bob@example.test>, delay=00:00:00, xdelay=00:00:00, mailer=local, pri=1, dsn=2.0.0, stat=Sent\n", postfixTrue},
		{"a name of a host, for Sendmail", "sendmail 6ATMfIl5001809: from=<ann@sender.test>, size=33, class=0, nrcpts=1, proto=ESMTP, daemon=MTA-v4, relay=x, relay=mail.victim.test [" + victim + "] [203.0.113.7]\nsendmail 6ATMfIl5001809: to=<bob@example.test>, delay=00:00:00, xdelay=00:00:00, mailer=local, pri=1, dsn=2.0.0, stat=Sent\n", ""},
		{"the sender, for Sendmail", `sendmail 6ATMfIl5001809: from=<"x>, size=33, relay=mail.victim.test [` + victim + `]"@sender.test>, size=33, class=0, nrcpts=1, proto=ESMTP, daemon=MTA-v4, relay=mail.sender.test [203.0.113.7]` + "\nsendmail 6ATMfIl5001809: to=<bob@example.test>, delay=00:00:00, xdelay=00:00:00, mailer=local, pri=1, dsn=2.0.0, stat=Sent\n", ""},
		{"the recipient, for Sendmail", "sendmail 6ATMfIl5001809: from=<ann@sender.test>, size=33, class=0, nrcpts=1, proto=ESMTP, daemon=MTA-v4, relay=mail.sender.test [203.0.113.7]\n" + `sendmail 6ATMfIl5001809: to=<"a>, delay=0, mailer=local, stat=Sent, <b"@example.test>, delay=00:00:00, xdelay=00:00:00, mailer=local, pri=1, dsn=5.1.1, stat=User unknown` + "\n", ""},
		{"the server's reply, for Sendmail", "sendmail 6ATMfIl5001809: from=<ann@sender.test>, size=33, class=0, nrcpts=1, proto=ESMTP, daemon=MTA-v4, relay=mail.sender.test [203.0.113.7]\nsendmail 6ATMfIl5001809: to=<bob@example.test>, delay=00:00:00, xdelay=00:00:00, mailer=esmtp, pri=1, dsn=4.0.0, stat=Deferred: 450 x, stat=Sent\n", ""},

		{"lines of other programs", "cron AB276224049: client=mail.victim.test[" + victim + "]\nkernel 1xXnaG-0000Tu-1s <= v@victim.test H=(x) [" + victim + "] P=esmtp S=1\n", ""},
		{"a line within a line", "postfix/smtpd warning: x Nov 29 22:41:22 mx1 postfix/smtpd[1]: AB276224049: client=mail.victim.test[" + victim + "]\n" + postfixFrom + postfixSent, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, _ := readText(t, stamped(c.log))
			if got := lines(all); got != c.want || strings.Contains(got, victim) || strings.Contains(got, "victim") || strings.Contains(got, "ceo") {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

// TestGarbage: what no mail server writes is skipped and counted, and the lines around it
// are read.
func TestGarbage(t *testing.T) {
	before, after, _ := strings.Cut(stamped(`
postfix/smtpd AB276224049: client=mail.sender.test[203.0.113.7]
postfix/qmgr AB276224049: from=<ann@sender.test>, size=259, nrcpt=1 (queue active)
postfix/virtual AB276224049: to=<bob@example.test>, relay=virtual, delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)
`), "\n")
	before += "\n"
	var octets bytes.Buffer
	for i := range 256 * 64 {
		octets.WriteByte(byte(i * 7))
	}
	long := "Nov 29 22:41:22 mx1 postfix/smtpd[1]: " + strings.Repeat("AB276224049: client=mail.victim.test["+victim+"] ", 10<<20/50)
	for _, c := range []struct {
		name, garbage string
		want          func(Counts) bool
	}{
		{"a line of 10 MB", long + "\n", func(c Counts) bool { return c.Long == 1 && c.Lines == 4 }},
		{"binary garbage", octets.String() + "\n", func(c Counts) bool { return c.Other > 60 && c.Other == c.Lines-3 }},
		{"empty lines, and lines of half a time", "\n\r\n\nNov\nNov 29\nNov 29 22:41:22\nNov 29 22:41:22 \nNov 29 22:41:22 mx1\nNov 29 22:61:22 mx1 x[1]: y\nNov 31 22:41:22 mx1 x[1]: y\n2026-02-29T22:41:22Z mx1 x[1]: y\n<3", func(c Counts) bool { return c.Other >= 12 }},
		{"a line from the future", "2036-11-29T22:41:22Z mx1 postfix/smtpd[1]: AB276224049: client=mail.victim.test[" + victim + "]\n", func(c Counts) bool { return c.Future == 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, counts := readText(t, before+c.garbage+after)
			if got := lines(all); got != "incoming delivered: mail.sender.test/203.0.113.7 <ann@sender.test> <bob@example.test>\n" && c.garbage[len(c.garbage)-1] == '\n' {
				t.Errorf("got\n%s", got)
			}
			if !c.want(counts) {
				t.Errorf("counts: %+v", counts)
			}
		})
	}
}

// TestManyOpen: messages of which the last line never comes do not take memory for ever.
func TestManyOpen(t *testing.T) {
	var b strings.Builder
	for i := range maxOpen + 1000 {
		fmt.Fprintf(&b, "Nov 29 22:41:22 mx1 postfix/smtpd[1]: A%011d: client=mail.sender.test[203.0.113.7]\n", i)
	}
	_, counts := readText(t, b.String())
	if counts.Incomplete != 1000 {
		t.Errorf("counts: %+v", counts)
	}
}

// FuzzLogs: whatever a log holds, reading it ends, and what is learned has addresses as
// they must be.
func FuzzLogs(f *testing.F) {
	for _, text := range []string{
		"Nov 29 22:41:22 mx1 postfix/smtpd[1]: AB276224049: client=mail.sender.test[203.0.113.7]\nNov 29 22:41:22 mx1 postfix/qmgr[1]: AB276224049: from=<ann@sender.test>, size=259, nrcpt=1 (queue active)\nNov 29 22:41:22 mx1 postfix/virtual[1]: AB276224049: to=<bob@example.test>, orig_to=<b@example.test>, relay=virtual, delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)\nNov 29 22:41:22 mx1 postfix/qmgr[1]: AB276224049: removed\n",
		"<22>Nov 29 22:41:22 postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[2001:db8::1]:25: 451 4.7.1 Greylisted; from=<> to=<bob@example.test> proto=ESMTP helo=<x>\n",
		"2026-11-29T22:41:22.123456+00:00 mx1 sm-mta[1]: 6ATMfIl5001809: from=<ann@sender.test>, size=33, class=0, nrcpts=2, msgid=<1@sender.test>, proto=ESMTP, daemon=MTA-v4, relay=mail.sender.test [203.0.113.7]\n2026-11-29T22:41:22Z mx1 sm-mta[1]: 6ATMfIl5001809: to=<bob@example.test>,<carol@example.test>, ctladdr=<d@example.test> (1/0), delay=00:00:00, xdelay=00:00:00, mailer=local, pri=30033, dsn=2.0.0, stat=Sent\n",
		"2026-11-29T22:41:22Z mx1 sm-mta[1]: 6ATMfIl5001809: Milter: cmd=data, reject=451 x\n2026-11-29T22:41:22Z mx1 sm-mta[1]: 6ATMfIl5001809: to=<bob@example.test>, delay=0, pri=0, stat=x\n2026-11-29T22:41:22Z mx1 sm-mta[1]: 6ATMfIl5001809: from=root, size=1, nrcpts=0, relay=root@localhost\n",
		"2026-11-29 22:41:22.123 +0100 [17] 1xXnaG-0000Tu-1s <= ann@sender.test H=mail.sender.test (x) [203.0.113.7]:4711 I=[192.0.2.1]:25 P=esmtps X=TLS1.3:x:256 CV=no S=243 id=1@sender.test T=\"Hello\"\n2026-11-29 22:41:22 1xXnaG-0000Tu-1s => bob <bob@example.test> R=a T=b H=mx [10.0.0.1]\n",
		"2026-11-29 22:41:22 H=(x) [203.0.113.7] X=TLS F=<ann@sender.test> temporarily rejected RCPT <bob@example.test>: x\n2026-11-29 22:41:22 #1(normal) <a>; task; rspamd_task_write_log: id: <1@sender.test>, x (default: T (add header): [7.00/15.00]\n",
		"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795992082000000\n_HOSTNAME=mx1\nSYSLOG_IDENTIFIER=postfix/smtpd\nMESSAGE=AB276224049: client=mail.sender.test[203.0.113.7]\n\n__REALTIME_TIMESTAMP=1\nMESSAGE\n\x03\x00\x00\x00\x00\x00\x00\x00a\nb\n\n",
		"Nov 29 22:41:22 mx1 amavis[1]: (1) Passed SPAM {x}, Queue-ID: AB276224049, Message-ID: <1@sender.test>, queued_as: AB276224050/AB276224051, 123 ms\nNov 29 22:41:22 mx1 dovecot: lmtp(b): sieve: msgid=<1@sender.test>: stored mail into mailbox 'INBOX/Junk'\nNov 29 22:41:22 mx1 spamd[1]: spamd: result: Y 1 - x,mid=<1@sender.test>,x\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l := &Logs{Files: []string{"-"}, Stdin: bytes.NewReader(text), Now: at.Unix()}
		for m, err := range l.Mail(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if !isAddress([]byte(m.Recipient)) || m.Sender != "" && !isAddress([]byte(m.Sender)) {
				t.Errorf("%s", m)
			}
			if m.Time > at.Unix()+2*day {
				t.Errorf("in the future: %d", m.Time)
			}
			if m.ClientName != "" && !isHostName([]byte(m.ClientName)) {
				t.Errorf("name %q", m.ClientName)
			}
		}
	})
}
