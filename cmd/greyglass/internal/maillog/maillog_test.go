package maillog

import (
	"net/netip"
	"strings"
	"testing"
)

// TestLogs has what the mail servers write, and what it says. Lines are without their
// times; where a line begins with a program's name, "[1]: " and a space are put after it.
func TestLogs(t *testing.T) {
	for _, c := range []struct{ name, log, want string }{
		{"Postfix", `
postfix/smtpd connect from mail.sender.test[203.0.113.7]
postfix/smtpd AB276224049: client=mail.sender.test[203.0.113.7]
postfix/cleanup AB276224049: message-id=<>
postfix/qmgr AB276224049: from=<ann@sender.test>, size=259, nrcpt=2 (queue active)
postfix/virtual AB276224049: to=<bob@example.test>, relay=virtual, delay=0.14, delays=0.07/0.07/0/0, dsn=2.0.0, status=sent (delivered to maildir)
postfix/virtual AB276224049: to=<carol@example.test>, relay=virtual, delay=0.14, delays=0.07/0.07/0/0, dsn=4.2.0, status=deferred (disk full)
postfix/qmgr AB276224049: from=<ann@sender.test>, size=259, nrcpt=2 (queue active)
postfix/virtual AB276224049: to=<carol@example.test>, relay=virtual, delay=300, delays=300/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)
postfix/qmgr AB276224049: removed
`, `
incoming delivered: mail.sender.test/203.0.113.7 <ann@sender.test> <bob@example.test>
incoming delivered: mail.sender.test/203.0.113.7 <ann@sender.test> <carol@example.test>
`},
		{"Postfix: long queue IDs, ports of clients, other names, IPv6, UTF-8, the null sender", `
mx-in/submission/smtpd 4Zq1XT3Kzvz9rxj: client=unknown[2001:db8:7::25]:43210
mx-in/qmgr 4Zq1XT3Kzvz9rxj: from=<>, size=259, nrcpt=1 (queue active)
mx-in/lmtp 4Zq1XT3Kzvz9rxj: to=<jürgen@example.test>, relay=mx1.example.test[private/dovecot-lmtp], conn_use=2, delay=0.1, delays=0.1/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 <j@example.test> x Saved)
`, `
incoming delivered: 2001:db8:7::25 <> <jürgen@example.test>
`},
		{"Postfix: an alias is its own name, once", `
postfix/smtpd AB276224049: client=mail.sender.test[203.0.113.7]
postfix/qmgr AB276224049: from=<ann@sender.test>, size=259, nrcpt=2 (queue active)
postfix/local AB276224049: to=<bob@example.test>, orig_to=<sales@example.test>, relay=local, delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)
postfix/smtp AB276224049: to=<carol@far.test>, orig_to=<sales@example.test>, relay=mx.far.test[198.51.100.1]:25, delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (250 ok)
`, `
incoming delivered: mail.sender.test/203.0.113.7 <ann@sender.test> <sales@example.test>
`},
		{"Postfix: outgoing mail, of authenticated and local clients, and what is relayed", `
postfix/smtpd CB67922404C: client=unknown[198.51.100.9], sasl_method=PLAIN, sasl_username=alice
postfix/qmgr CB67922404C: from=<alice@example.test>, size=245, nrcpt=2 (queue active)
postfix/virtual CB67922404C: to=<bob@example.test>, relay=virtual, delay=0.01, delays=0.01/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)
postfix/smtp CB67922404C: to=<dave@far.test>, relay=mx.far.test[203.0.113.99]:25, delay=0.05, delays=0.01/0.05/0/0, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 12345ABC)
postfix/pickup CB67922404D: uid=0 from=<root>
postfix/qmgr CB67922404D: from=<root@example.test>, size=245, nrcpt=1 (queue active)
postfix/smtp CB67922404D: to=<erin@far.test>, relay=mx.far.test[203.0.113.99]:25, delay=0.05, delays=0.01/0.05/0/0, dsn=2.0.0, status=sent (250 ok)
postfix/smtpd CB67922404E: client=pc.example.test[10.1.2.3]
postfix/qmgr CB67922404E: from=<fred@example.test>, size=245, nrcpt=1 (queue active)
postfix/smtp CB67922404E: to=<erin@far.test>, relay=mx.far.test[203.0.113.99]:25, delay=0.05, delays=0.01/0.05/0/0, dsn=2.0.0, status=sent (250 ok)
postfix/smtpd CB67922404F: client=mail.sender.test[203.0.113.7]
postfix/qmgr CB67922404F: from=<ann@sender.test>, size=245, nrcpt=2 (queue active)
postfix/smtp CB67922404F: to=<gil@far.test>, relay=mx.far.test[203.0.113.99]:25, delay=0.05, delays=0.01/0.05/0/0, dsn=2.0.0, status=sent (250 ok)
postfix/smtp CB67922404F: to=<hal@example.test>, relay=inner.example.test[10.0.0.2]:25, delay=0.05, delays=0.01/0.05/0/0, dsn=2.0.0, status=sent (250 ok: queued as 77777)
postfix/smtpd CB679224050: client=mail.sender.test[203.0.113.7]
postfix/qmgr CB679224050: from=<ann@sender.test>, size=245, nrcpt=2 (queue active)
postfix/discard CB679224050: to=<dave@far.test>, relay=none, delay=0.05, delays=0.01/0.05/0/0, dsn=2.0.0, status=sent (far.test)
`, `
internal delivered: 198.51.100.9 authenticated <alice@example.test> <bob@example.test>
outgoing delivered: 198.51.100.9 authenticated <alice@example.test> <dave@far.test>
outgoing delivered: local <root@example.test> <erin@far.test>
outgoing delivered: pc.example.test/10.1.2.3 <fred@example.test> <erin@far.test>
relayed delivered: mail.sender.test/203.0.113.7 <ann@sender.test> <gil@far.test>
incoming delivered: mail.sender.test/203.0.113.7 <ann@sender.test> <hal@example.test>
discarded delivered: mail.sender.test/203.0.113.7 <ann@sender.test> <dave@far.test>
`},
		{"Postfix: refusals, by itself, a policy service, a milter, postscreen", `
postfix/smtpd NOQUEUE: reject: RCPT from mail.sender.test[203.0.113.7]: 554 5.7.1 <x@elsewhere.test>: Relay access denied; from=<ann@sender.test> to=<x@elsewhere.test> proto=ESMTP helo=<client.sender.test>
postfix/smtpd NOQUEUE: reject: RCPT from mail.sender.test[203.0.113.7]: 451 4.7.1 <bob@example.test>: Recipient address rejected: Greylisted; from=<ann@sender.test> to=<bob@example.test> proto=ESMTP helo=<client.sender.test>
postfix/smtpd B008122404A: milter-reject: DATA from unknown[203.0.113.7]: 451 4.7.1 Greylisted; from=<> to=<bob@example.test> proto=ESMTP helo=<client.sender.test>
postfix/smtpd NOQUEUE: reject: RCPT from unknown[203.0.113.8]: 550 5.1.1 <nouser@example.test>: Recipient address rejected: User unknown in virtual mailbox table; from=<ann@sender.test> to=<nouser@example.test> proto=SMTP helo=<[203.0.113.8]>
postfix/smtpd NOQUEUE: reject_warning: RCPT from unknown[203.0.113.8]: 550 5.1.1 x; from=<ann@sender.test> to=<bob@example.test> proto=SMTP helo=<x>
postfix/smtpd NOQUEUE: reject: CONNECT from unknown[203.0.113.8]: 554 5.7.1 <unknown[203.0.113.8]>: Client host rejected: Access denied; proto=SMTP
postfix/smtpd NOQUEUE: reject: MAIL from unknown[203.0.113.8]: 550 5.7.1 <x>: Sender address rejected; from=<ann@sender.test> proto=SMTP helo=<x>
postfix/postscreen NOQUEUE: reject: RCPT from [203.0.113.9]:43210: 550 5.7.1 Service unavailable; client [203.0.113.9] blocked using zen.test; from=<spam@sender.test>, to=<bob@example.test>, proto=ESMTP, helo=<pc>
postfix/smtpd AB276224049: client=mail.sender.test[203.0.113.7]
postfix/cleanup AB276224049: milter-reject: END-OF-MESSAGE from mail.sender.test[203.0.113.7]: 5.7.1 Spam message rejected; from=<ann@sender.test> to=<bob@example.test> proto=ESMTP helo=<client.sender.test>
postfix/smtpd AB276224050: client=mail.sender.test[203.0.113.7]
postfix/cleanup AB276224050: milter-discard: END-OF-MESSAGE from mail.sender.test[203.0.113.7]: milter triggers DISCARD action; from=<ann@sender.test> to=<bob@example.test> proto=ESMTP helo=<client.sender.test>
`, `
relayed rejected: mail.sender.test/203.0.113.7 (client.sender.test) <ann@sender.test> <x@elsewhere.test>: 554 5.7.1 <x@elsewhere.test>: Relay access denied
incoming deferred: mail.sender.test/203.0.113.7 (client.sender.test) <ann@sender.test> <bob@example.test>: 451 4.7.1 <bob@example.test>: Recipient address rejected: Greylisted
incoming deferred: 203.0.113.7 (client.sender.test) <> <bob@example.test>: 451 4.7.1 Greylisted
incoming rejected: 203.0.113.8 ([203.0.113.8]) <ann@sender.test> <nouser@example.test>: 550 5.1.1 <nouser@example.test>: Recipient address rejected: User unknown in virtual mailbox table
incoming rejected: 203.0.113.9 (pc) <spam@sender.test> <bob@example.test>: 550 5.7.1 Service unavailable; client [203.0.113.9] blocked using zen.test
incoming rejected: mail.sender.test/203.0.113.7 (client.sender.test) <ann@sender.test> <bob@example.test>: 5.7.1 Spam message rejected
incoming spam: mail.sender.test/203.0.113.7 (client.sender.test) <ann@sender.test> <bob@example.test>: milter triggers DISCARD action
`},
		{"Postfix: amavis gives a message back, and takes one for spam", `
postfix/smtpd AB276224049: client=mail.sender.test[203.0.113.7]
postfix/cleanup AB276224049: message-id=<1@sender.test>
postfix/qmgr AB276224049: from=<ann@sender.test>, size=259, nrcpt=1 (queue active)
postfix/smtpd AB276224050: client=localhost[127.0.0.1]
postfix/cleanup AB276224050: message-id=<1@sender.test>
postfix/qmgr AB276224050: from=<ann@sender.test>, size=700, nrcpt=1 (queue active)
postfix/virtual AB276224050: to=<bob@example.test>, relay=virtual, delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)
postfix/qmgr AB276224050: removed
postfix/smtp AB276224049: to=<bob@example.test>, relay=127.0.0.1[127.0.0.1]:10024, delay=0.5, delays=0/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as AB276224050)
postfix/qmgr AB276224049: removed
postfix/smtpd AB276224051: client=mail.spam.test[203.0.113.66]
postfix/qmgr AB276224051: from=<spam@spam.test>, size=259, nrcpt=1 (queue active)
postfix/smtpd AB276224052: client=localhost[127.0.0.1], orig_queue_id=AB276224051, orig_client=mail.spam.test[203.0.113.66]
postfix/qmgr AB276224052: from=<spam@spam.test>, size=700, nrcpt=1 (queue active)
postfix/virtual AB276224052: to=<bob@example.test>, relay=virtual, delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)
amavis (12345-01) Passed SPAM {RelayedTaggedInbound}, [203.0.113.66]:4711 [203.0.113.66] <spam@spam.test> -> <bob@example.test>, Queue-ID: AB276224051, Message-ID: <2@spam.test>, mail_id: x, Hits: 12.3, size: 259, queued_as: AB276224052, 123 ms
postfix/smtp AB276224051: to=<bob@example.test>, relay=127.0.0.1[127.0.0.1]:10024, delay=0.5, delays=0/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as AB276224052)
postfix/smtpd AB276224053: client=mail.spam.test[203.0.113.66]
postfix/qmgr AB276224053: from=<spam@spam.test>, size=259, nrcpt=1 (queue active)
postfix/smtp AB276224053: to=<bob@example.test>, relay=127.0.0.1[127.0.0.1]:10024, delay=0.5, delays=0/0/0/0, dsn=2.7.0, status=sent (250 2.7.0 Ok, discarded, id=12345-02 - spam)
`, `
incoming delivered: mail.sender.test/203.0.113.7 <ann@sender.test> <bob@example.test>
incoming spam: mail.spam.test/203.0.113.66 <spam@spam.test> <bob@example.test>
incoming spam: mail.spam.test/203.0.113.66 <spam@spam.test> <bob@example.test>
`},
		{"Postfix: a filter names the client, but its first message is not in the log; or names nothing", `
postfix/smtpd AB276224052: client=localhost[127.0.0.1], orig_client=mail.sender.test[203.0.113.7]
postfix/qmgr AB276224052: from=<ann@sender.test>, size=700, nrcpt=1 (queue active)
postfix/virtual AB276224052: to=<bob@example.test>, relay=virtual, delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)
postfix/smtpd AB276224053: client=localhost[127.0.0.1]
postfix/qmgr AB276224053: from=<ann@sender.test>, size=700, nrcpt=1 (queue active)
postfix/virtual AB276224053: to=<bob@example.test>, relay=virtual, delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)
postfix/qmgr AB276224054: from=<ann@sender.test>, size=700, nrcpt=1 (queue active)
postfix/virtual AB276224054: to=<bob@example.test>, relay=virtual, delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)
`, `
incoming delivered: mail.sender.test/203.0.113.7 <ann@sender.test> <bob@example.test>
internal delivered: localhost/127.0.0.1 <ann@sender.test> <bob@example.test>
`},
		{"spam folders, by Dovecot, spamd and rspamd", `
postfix/smtpd AB276224049: client=mail.sender.test[203.0.113.7]
postfix/cleanup AB276224049: message-id=<1@sender.test>
postfix/qmgr AB276224049: from=<ann@sender.test>, size=259, nrcpt=1 (queue active)
dovecot lmtp(bob@example.test)<8123><aBc>: sieve: msgid=<1@sender.test>: stored mail into mailbox 'Junk'
postfix/lmtp AB276224049: to=<bob@example.test>, relay=x[private/dovecot-lmtp], delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 Saved)
postfix/smtpd AB276224050: client=mail.sender.test[203.0.113.7]
postfix/cleanup AB276224050: message-id=<2@sender.test>
postfix/qmgr AB276224050: from=<ann@sender.test>, size=259, nrcpt=1 (queue active)
spamd spamd: result: Y 12 - BAYES_99 scantime=0.3,size=259,user=debian-spamd,uid=118,required_score=5.0,rhost=::1,raddr=::1,rport=46646,mid=<2@sender.test>,bayes=0.9,autolearn=no
postfix/lmtp AB276224050: to=<bob@example.test>, relay=x[private/dovecot-lmtp], delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 Saved)
postfix/smtpd AB276224051: client=mail.sender.test[203.0.113.7]
postfix/cleanup AB276224051: message-id=<3@sender.test>
postfix/qmgr AB276224051: from=<ann@sender.test>, size=259, nrcpt=1 (queue active)
rspamd <abc>; task; rspamd_task_write_log: id: <3@sender.test>, qid: <AB276224051>, ip: 203.0.113.7, from: <ann@sender.test>, (default: F (add header): [7.00/15.00] [X(1)], len: 259
postfix/lmtp AB276224051: to=<bob@example.test>, relay=x[private/dovecot-lmtp], delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 Saved)
postfix/smtpd AB276224052: client=mail.sender.test[203.0.113.7]
postfix/cleanup AB276224052: message-id=<4@sender.test>
postfix/qmgr AB276224052: from=<ann@sender.test>, size=259, nrcpt=1 (queue active)
dovecot lmtp(bob@example.test)<8123><aBc>: msgid=<4@sender.test>: saved mail to INBOX
postfix/lmtp AB276224052: to=<bob@example.test>, relay=x[private/dovecot-lmtp], delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 Saved)
`, `
incoming spam: mail.sender.test/203.0.113.7 <ann@sender.test> <bob@example.test>
incoming spam: mail.sender.test/203.0.113.7 <ann@sender.test> <bob@example.test>
incoming spam: mail.sender.test/203.0.113.7 <ann@sender.test> <bob@example.test>
incoming delivered: mail.sender.test/203.0.113.7 <ann@sender.test> <bob@example.test>
`},
		{"Postfix: what amavis discards or blocks is not delivered; sasl_sender is the client's", `
postfix/smtpd AB276224049: client=mail.sender.test[203.0.113.7]
postfix/qmgr AB276224049: from=<ann@sender.test>, size=259, nrcpt=1 (queue active)
postfix/smtp AB276224049: to=<bob@example.test>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, delays=0/0/0/1, dsn=2.7.0, status=sent (250 2.7.0 Ok, discarded, id=07554-01 - INFECTED: Eicar-Test-Signature)
postfix/smtpd AB276224050: client=mail.sender.test[203.0.113.7]
postfix/cleanup AB276224050: message-id=<2@sender.test>
postfix/qmgr AB276224050: from=<ann@sender.test>, size=259, nrcpt=1 (queue active)
amavis (07554-02) Passed BANNED (.exe) {RelayedTaggedInbound}, [203.0.113.7]:1 <ann@sender.test> -> <bob@example.test>, Message-ID: <2@sender.test>, mail_id: x, Hits: 0
postfix/lmtp AB276224050: to=<bob@example.test>, relay=mx1[private/dovecot-lmtp], delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)
postfix/smtpd AB276224051: client=mail.sender.test[203.0.113.7], sasl_sender=x, to=<eve@example.test>
postfix/qmgr AB276224051: from=<ann@sender.test>, size=259, nrcpt=1 (queue active)
postfix/lmtp AB276224051: to=<carol@example.test>, relay=mx1[private/dovecot-lmtp], delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)
`, `
incoming spam: mail.sender.test/203.0.113.7 <ann@sender.test> <bob@example.test>
incoming spam: mail.sender.test/203.0.113.7 <ann@sender.test> <bob@example.test>
incoming delivered: mail.sender.test/203.0.113.7 <ann@sender.test> <carol@example.test>
`},
		{"Exim: by syslog, with its own time; with the size", `
exim 2026-11-29 22:41:22 1xXnaG-0000Tu-1s <= alice@example.test H=(pc) [198.51.100.9] P=esmtpsa A=plain:alice S=243
exim 2026-11-29 22:41:22 1xXnaG-0000Tu-1s => dave@far.test R=dnslookup T=remote_smtp S=1234 H=mx.far.test [198.51.100.1] C="250 ok"
exim 2026-11-29 22:41:22 [11] 1xXnaG-0000Tu-1s Completed
`, `
outgoing delivered: 198.51.100.9 (pc) authenticated <alice@example.test> <dave@far.test>
`},
		{"Exim", `
exim H=(client.sender.test) [203.0.113.7] F=<ann@sender.test> temporarily rejected RCPT <bob@example.test>: 451 4.7.1 Greylisted
exim 1xXnaG-0000Tu-1s <= ann@sender.test H=mail.sender.test (client.sender.test) [203.0.113.7]:4711 I=[192.0.2.1]:25 P=esmtps X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=no S=243 id=1@sender.test T="Hello" for bob@example.test
exim 1xXnaG-0000Tu-1s => bob <bob@example.test> R=lab_inbox T=lab_maildir
exim 1xXnaG-0000Tu-1s -> |/usr/bin/vacation "x" <carol@example.test> R=system T=pipe
exim 1xXnaG-0000Tu-1s => dave@far.test <sales@example.test> R=dnslookup T=remote_smtp H=mx.far.test [198.51.100.1] X=TLS1.3:x:256 CV=yes C="250 ok"
exim 1xXnaG-0000Tu-1s -> erin@far.test (list@example.test) <sales@example.test> R=dnslookup T=remote_smtp H=mx.far.test [198.51.100.1] C="250 ok"
exim 1xXnaG-0000Tu-1s Completed
exim 1rNcNM-00000003g2E-1Gp9 <= <> R=1xXnaG-0000Tu-1s U=Debian-exim P=local S=900
exim 1rNcNM-00000003g2E-1Gp9 => ann@sender.test R=dnslookup T=remote_smtp H=mail.sender.test [203.0.113.7] C="250 ok"
exim 1xXnaH-0000U1-2E <= alice@example.test H=(pc) [198.51.100.9] P=esmtpsa A=lab_plain:alice S=238 id=abc@def
exim 1xXnaH-0000U1-2E => dave@far.test F=<alice@example.test> R=dnslookup T=remote_smtp H=mx.far.test [198.51.100.1] C="250 ok"
exim 1xXnaH-0000U1-2E => :blackhole: <erin@far.test> R=lab_outside
exim H=mail.sender.test [203.0.113.7] X=TLS1.3:x:256 CV=no F=<ann@sender.test> rejected RCPT <x@elsewhere.test>: relay not permitted
exim 1xXnaI-0000U1-2E H=mail.sender.test [203.0.113.7] F=<ann@sender.test> rejected after DATA: spam
exim H=(x) [203.0.113.8] rejected EHLO or HELO (x): syntactically invalid argument(s)
`, `
incoming deferred: 203.0.113.7 (client.sender.test) <ann@sender.test> <bob@example.test>: 451 4.7.1 Greylisted
incoming delivered: mail.sender.test/203.0.113.7 (client.sender.test) <ann@sender.test> <bob@example.test>
incoming delivered: mail.sender.test/203.0.113.7 (client.sender.test) <ann@sender.test> <carol@example.test>
incoming delivered: mail.sender.test/203.0.113.7 (client.sender.test) <ann@sender.test> <sales@example.test>
outgoing delivered: local <> <ann@sender.test>
outgoing delivered: 198.51.100.9 (pc) authenticated <alice@example.test> <dave@far.test>
discarded delivered: 198.51.100.9 (pc) authenticated <alice@example.test> <erin@far.test>
relayed rejected: mail.sender.test/203.0.113.7 (mail.sender.test) <ann@sender.test> <x@elsewhere.test>: relay not permitted
`},
		{"Sendmail: a sender who has an account", `
sendmail 6ATMfI0s001830: from=<alice@example.test>, size=45, class=0, nrcpts=1, msgid=<abc@def>, proto=ESMTPA, daemon=MTA-v4, relay=host.test [198.51.100.9]
sendmail 6ATMfI0s001830: to=<dave@far.test>, ctladdr=<alice@example.test> (960/100), delay=00:00:00, xdelay=00:00:00, mailer=esmtp, pri=60045, relay=mx.far.test. [203.0.113.99], dsn=2.0.0, stat=Sent (ok)
`, `
outgoing delivered: host.test/198.51.100.9 authenticated <alice@example.test> <dave@far.test>
`},
		{"Sendmail", `
sendmail NOQUEUE: connect from mail.sender.test [203.0.113.7]
sendmail 6ATMfIl5001809: from=<ann@sender.test>, size=33, class=0, nrcpts=2, msgid=<1@sender.test>, proto=ESMTP, daemon=MTA-v4, relay=mail.sender.test [203.0.113.7]
sm-mta 6ATMfIl5001809: to=<bob@example.test>,<carol@example.test>, delay=00:00:00, xdelay=00:00:00, mailer=local, pri=30033, dsn=2.0.0, stat=Sent
sm-mta 6ATMfIl5001809: to=<dave@example.test>, ctladdr=<sales@example.test> (1/0), delay=00:00:00, xdelay=00:00:00, mailer=local, pri=30033, dsn=2.0.0, stat=Sent
sm-mta 6ATMfIl5001809: to=<erin@example.test>, delay=00:00:00, xdelay=00:00:00, mailer=local, pri=30033, dsn=4.0.0, stat=Deferred
sendmail 6ATMfIl5001809: done; delay=00:00:00, ntries=1
sendmail 6ATMfGIt001808: Milter: to=<bob@example.test>, reject=451 4.7.1 Greylisted
sendmail 6ATMfGIt001808: ruleset=check_rcpt, arg1=<x@elsewhere.test>, relay=mail.sender.test [203.0.113.7], reject=550 5.7.1 <x@elsewhere.test>... Relaying denied
sendmail 6ATMfGIt001808: from=<ann@sender.test>, size=0, class=0, nrcpts=0, proto=ESMTP, daemon=MTA-v4, relay=mail.sender.test [203.0.113.7]
sendmail 6ATMfIQw001813: Milter: cmd=data, reject=451 4.7.1 Greylisted
sendmail 6ATMfIQw001813: to=<bob@example.test>, delay=00:00:00, pri=0, stat=aborted by sender
sendmail 6ATMfIQw001813: from=<>, size=0, class=0, nrcpts=1, proto=ESMTP, daemon=MTA-v6, relay=[IPv6:2001:db8:7:0:0:0:0:25]
sendmail 6ATMfI0s001821: from=<alice@example.test>, size=45, class=0, nrcpts=2, msgid=<abc@def>, proto=ESMTPA, daemon=MTA-v4, relay=host.test [198.51.100.9] (may be forged)
sendmail 6ATMfI0s001821: to=<dave@far.test>, delay=00:00:00, xdelay=00:00:00, mailer=esmtp, pri=60045, relay=mx.far.test. [203.0.113.99], dsn=2.0.0, stat=Sent (ok)
sendmail 6ATMfI0s001822: from=root, size=45, class=0, nrcpts=1, msgid=<abc@def>, relay=root@localhost
sendmail 6ATMfI0s001822: to=<dave@far.test>, ctladdr=root (0/0), delay=00:00:00, xdelay=00:00:00, mailer=esmtp, pri=60045, relay=mx.far.test. [203.0.113.99], dsn=2.0.0, stat=Sent (ok)
sendmail 6ATMfI0s001823: Milter add: header: X-Spam-Flag: YES
sendmail 6ATMfI0s001823: from=<spam@sender.test>, size=45, class=0, nrcpts=2, msgid=<abc@def>, proto=ESMTP, daemon=MTA-v4, relay=[198.51.100.9]
sendmail 6ATMfI0s001823: to=<bob@example.test>, delay=00:00:00, xdelay=00:00:00, mailer=local, pri=60045, dsn=2.0.0, stat=Sent
`, `
incoming delivered: mail.sender.test/203.0.113.7 <ann@sender.test> <bob@example.test>
incoming delivered: mail.sender.test/203.0.113.7 <ann@sender.test> <carol@example.test>
incoming delivered: mail.sender.test/203.0.113.7 <ann@sender.test> <sales@example.test>
incoming deferred: mail.sender.test/203.0.113.7 <ann@sender.test> <bob@example.test>: 451 4.7.1 Greylisted
relayed rejected: mail.sender.test/203.0.113.7 <ann@sender.test> <x@elsewhere.test>: 550 5.7.1 <x@elsewhere.test>... Relaying denied
incoming deferred: 2001:db8:7::25 <> <bob@example.test>: 451 4.7.1 Greylisted
outgoing delivered: 198.51.100.9 authenticated <alice@example.test> <dave@far.test>
outgoing delivered: local <root> <dave@far.test>
incoming spam: 198.51.100.9 <spam@sender.test> <bob@example.test>
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, counts := readText(t, stamped(c.log))
			if got := lines(all); got != strings.TrimPrefix(c.want, "\n") {
				t.Errorf("got\n%s", got)
			}
			if counts.Unclear > 0 || counts.Other > 0 {
				t.Errorf("skipped: %+v", counts)
			}
		})
	}
}

// stamped puts times before the lines of a test.
func stamped(log string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimPrefix(log, "\n")) {
		program, text, _ := strings.Cut(line, " ")
		b.WriteString("Nov 29 22:41:22 mx1 " + program + "[1]: " + text)
	}
	return b.String()
}

// TestSite: where the configuration says who is of the site, that decides.
func TestSite(t *testing.T) {
	const log = `
postfix/smtpd AB276224049: client=mail.sender.test[203.0.113.7]
postfix/qmgr AB276224049: from=<ann@sender.test>, size=259, nrcpt=2 (queue active)
postfix/relay/smtp AB276224049: to=<bob@Example.test>, relay=inner.test[198.51.100.1]:25, delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (250 ok)
postfix/virtual AB276224049: to=<carol@far.test>, relay=virtual, delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)
postfix/smtpd AB276224050: client=own.example.test[192.0.2.25]
postfix/qmgr AB276224050: from=<app@example.test>, size=259, nrcpt=2 (queue active)
postfix/smtp AB276224050: to=<dave@far.test>, relay=mx.far.test[198.51.100.1]:25, delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (250 ok)
postfix/virtual AB276224050: to=<bob@example.test>, relay=virtual, delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)
postfix/smtp AB276224050: to=<erin@far.test>, relay=smarthost[10.0.0.1]:25, delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (250 ok)
postfix/smtp AB276224050: to=<fred@far.test>, relay=localhost[127.0.0.1]:10024, delay=0.1, delays=0/0/0/0, dsn=2.0.0, status=sent (250 ok)
`
	l := &Logs{Files: []string{"-"}, Stdin: strings.NewReader(stamped(log)), Site: Site{
		Own:    func(ip netip.Addr) bool { return ip == netip.MustParseAddr("192.0.2.25") },
		Inside: func(domain string) bool { return domain == "example.test" },
	}}
	const want = `incoming delivered: mail.sender.test/203.0.113.7 <ann@sender.test> <bob@Example.test>
relayed delivered: mail.sender.test/203.0.113.7 <ann@sender.test> <carol@far.test>
outgoing delivered: own.example.test/192.0.2.25 <app@example.test> <dave@far.test>
internal delivered: own.example.test/192.0.2.25 <app@example.test> <bob@example.test>
outgoing delivered: own.example.test/192.0.2.25 <app@example.test> <erin@far.test>
internal delivered: own.example.test/192.0.2.25 <app@example.test> <fred@far.test>
`
	if got := lines(readAll(t, l)); got != want {
		t.Errorf("got\n%s", got)
	}
}

// TestCut: a log that is cut in any place of a line.
func TestCut(t *testing.T) {
	for _, line := range []string{
		"postfix/smtpd NOQUEUE: reject: RCPT from a.test[203.0.113.7]: 450 4.2.0 x; from=<a@b.test> to=<d@e.test> proto=ESMTP helo=<",
		"exim 2026-11-29 22:41:22 1xXnaG-0000Tu-1s => dave@far.test R=dnslookup T=remote_smtp S=1234 H=mx.far.test [198.51.100.1] C=\"250 ok\"",
		"sendmail 6ATMfI0s001830: to=<dave@far.test>, ctladdr=<alice@example.test> (960/100), delay=00:00:00, mailer=esmtp, stat=Sent (ok)",
		"amavis (07554-02) Passed BANNED (.exe) {RelayedTaggedInbound}, Message-ID: <2@sender.test>, mail_id: x, Hits: 0",
	} {
		for n := range line {
			if program, _, ok := strings.Cut(line[:n+1], " "); ok && program != "" {
				readText(t, stamped(line[:n+1]))
			}
		}
	}
}
