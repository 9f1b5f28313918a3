// Package maillog reads the logs of Postfix, Exim and Sendmail as a stream of messages,
// one for each recipient.
//
// Clients choose much of what a log holds: HELO names, addresses, subjects, message IDs.
// So each fact is taken only from where the mail server itself writes it, never by
// searching a line, and only from lines of the program that writes it:
//
//	                 Postfix                            Exim                   Sendmail
//	begin of it      QID: client=  (smtpd)              QID <=                 QID: from=
//	client, name     after client= or "from", up to ]   H= right after sender  relay=, at the end of the line
//	HELO             helo=< at the end of a refusal     in ( ) within H=       -
//	sender           QID: from=< (qmgr);                right after <=;        right after from=
//	                 in refusals after the reply        F=< before RCPT
//	recipient        QID: to=<, or orig_to=< after it;  right after =>;        right after to=, or ctladdr=
//	                 in refusals after from=<           after rejected RCPT    for what an alias stands for
//	delivered        status=sent (                      =>, ->, >>             stat=Sent
//	delivered by     the program's name                 H= after T=            mailer=
//	refused          QID: [milter-]reject: … from       rejected RCPT          ruleset=…, Milter: … reject=
//	authenticated    , sasl_… right after client=       P=…a right after H=    proto=…A
//
// The rest of such a line must be as the mail server writes it. An address with a space, a
// quote, a comma or a bracket in it could hold such a field itself, so a line that has one
// is skipped, and so is one in which a field comes twice. What says that a message is spam
// (see filters.go) is trusted less: it can only keep a message from being learned.
package maillog

import (
	"context"
	"io"
	"iter"
	"net/netip"
	"time"
)

// Mail is a message to a recipient.
type Mail struct {
	Time    int64 // Unix seconds: when it was delivered or refused
	QueueID string

	ClientAddress netip.Addr // invalid: mail of the machine itself, or not in the log
	ClientName    string     // that the mail server has confirmed; empty: none
	HELO          string     // empty where the mail server does not log it
	Authenticated bool

	Sender    string // without brackets; empty: the null sender
	Recipient string // that the client named, where an alias stands for it

	Outcome   Outcome
	Direction Direction
	Reply     string // of a refusal, with its code where the mail server logs it
}

// Outcome is what became of a message to a recipient.
type Outcome string

const (
	Delivered Outcome = "delivered"
	Spam      Outcome = "spam"     // delivered or discarded, but a filter took it for spam
	Deferred  Outcome = "deferred" // refused with a temporary error
	Rejected  Outcome = "rejected" // refused for good
)

// Direction says where a message came from and went to, seen from the site.
type Direction string

const (
	Incoming  Direction = "incoming"  // from outside to the site
	Outgoing  Direction = "outgoing"  // from the site, or an authenticated client, to outside
	Internal  Direction = "internal"  // within the site
	Relayed   Direction = "relayed"   // from outside, to another server and a recipient that may be outside
	Discarded Direction = "discarded" // to no mailbox
	Unknown   Direction = "unknown"   // the log does not tell the client or the sender
)

// Site says what belongs to the site whose logs are read.
type Site struct {
	// Own reports whether a client is of the site. Nil: none is but the machine itself.
	Own func(netip.Addr) bool
	// Inside reports whether mail to a domain is for the site. Nil: mail is that is
	// delivered to a mailbox, or to a server with a private address.
	Inside func(domain string) bool
}

// Logs are log files. They are read in the order of time, whatever the order of their
// names: those of several mail servers are merged. They can be read once.
type Logs struct {
	Files []string // "-" is Stdin; what is compressed by gzip is decompressed
	Stdin io.Reader
	Zone  *time.Location // of times that name none; nil: UTC
	Now   int64          // Unix seconds
	Site  Site

	Counts Counts // of what has been read
}

// Counts say what was read, and what of it was skipped.
type Counts struct {
	Bytes, Size int64 // that were read, and of all files; of standard input, only the former
	Lines       int64

	Long       int64    // lines that are longer than any of a mail server
	Other      int64    // lines without a time, or of other programs
	Future     int64    // lines with a time in the future
	Unclear    int64    // lines of a mail server that can be read in two ways
	Unnamed    int64    // refusals that do not name a recipient
	Incomplete int64    // messages of which no recipient was told when too many were open
	Damaged    []string // files that could not be read to the end, and why
}

// Mail yields the messages, about in the order of time. An error ends the sequence.
func (l *Logs) Mail(ctx context.Context) iter.Seq2[Mail, error] {
	return func(yield func(Mail, error) bool) {
		files, err := l.open()
		if err != nil {
			yield(Mail{}, err)
			return
		}
		defer files.close()
		stopped := false
		q := newQueue(l, func(m Mail) bool {
			stopped = stopped || !yield(m, nil)
			return !stopped
		})
		for n := 0; !stopped; n++ {
			if n%1024 == 0 && ctx.Err() != nil {
				break
			}
			line := files.next()
			if line == nil {
				break
			}
			q.release(line.at - settling)
			q.read(line)
		}
		if stopped {
			return
		}
		if err := ctx.Err(); err != nil {
			yield(Mail{}, err)
			return
		}
		q.release(maxTime)
	}
}

// read reads a line.
func (q *queue) read(l *line) {
	q.now, q.host = l.at, l.host
	switch program, service := programOf(l.program); program {
	case postfix:
		q.postfix(service, l.text)
	case exim:
		q.exim(l.text)
	case sendmail:
		q.sendmail(l.text)
	case filter:
		q.filter(service, l.text)
	default:
		q.logs.Counts.Other++
	}
}
