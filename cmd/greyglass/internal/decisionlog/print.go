package decisionlog

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

// Line is the decision in one line, for people, in three parts, of which the second is the
// verdict. Its time is that of a zone, which it names.
func (d Decision) Line(zone *time.Location) (at, verdict, rest string) {
	var b strings.Builder
	verdict = cmp.Or(greylist.Verdict(d.Verdict).InWords(), address.Printable(d.Verdict))
	at, verdict = d.Time.In(zone).Format(time.DateTime+" MST")+" ", fmt.Sprintf("%-8s", verdict)
	if d.Via == greylist.ViaProbe {
		b.WriteString(" (probe)")
	}
	fmt.Fprintf(&b, " %s -> %s from %s",
		address.Printable(d.Sender), address.Printable(d.Recipient), address.Printable(cmp.Or(d.Client, "a client without an address")))
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
