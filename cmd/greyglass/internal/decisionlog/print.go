package decisionlog

import (
	"fmt"
	"strings"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

// verdicts in words.
var verdicts = map[string]string{string(greylist.Accept): "accepted", string(greylist.Defer): "deferred", string(greylist.Deny): "denied"}

// Line is the decision in one line, for people, in three parts, of which the second is the
// verdict. Its time is that of a zone.
func (d Decision) Line(zone *time.Location) (at, verdict, rest string) {
	var b strings.Builder
	var known bool
	if verdict, known = verdicts[d.Verdict]; !known {
		verdict = address.Printable(d.Verdict)
	}
	at, verdict = d.Time.In(zone).Format(time.DateTime)+" ", fmt.Sprintf("%-8s", verdict)
	fmt.Fprintf(&b, " %s -> %s from %s",
		address.Printable(d.Sender), address.Printable(d.Recipient), address.Printable(d.Client))
	if d.Helo != "" {
		fmt.Fprintf(&b, " (%s)", address.Printable(d.Helo))
	}
	fmt.Fprintf(&b, ": %s", address.Printable(d.Reason))
	more := func(format, value string) {
		if value != "" {
			fmt.Fprintf(&b, format, address.Printable(value))
		}
	}
	if d.Wait > 0 {
		more("; retry passes in %s", greylist.WaitInWords(d.Wait))
	}
	if d.Delayed > 0 {
		more("; waited %s", greylist.WaitInWords(d.Delayed))
	}
	more("; rule %s", d.Rule)
	more("; known as %s", d.Identity)
	more("; spf %s", d.SPF)
	more("; queue ID %s", d.QueueID)
	more("; code %s", d.Code)
	more("; mode %s", d.Mode)
	more("; %s", d.Error)
	return at, verdict, b.String()
}
