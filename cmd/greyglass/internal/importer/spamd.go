package importer

import (
	"context"
	"strconv"
	"strings"
)

// readSpamd reads what spamdb(8) of OpenBSD prints:
//
//	GREY|ADDRESS|HELO|<SENDER>|<RECIPIENT>|FIRST|PASS|EXPIRE|BLOCKED|PASSED
//	WHITE|ADDRESS|||FIRST|PASS|EXPIRE|BLOCKED|PASSED
//
// Older versions have no HELO. Spam traps are of no use here.
func readSpamd(ctx context.Context, im *Import, yield func(entry)) error {
	return im.eachText(ctx, yield, im.spamdLine)
}

func (im *Import) spamdLine(line string) (e entry, ok bool) {
	fields := strings.Split(line, "|")
	switch kind := fields[0]; {
	case kind == "SPAMTRAP" && len(fields) == 2, kind == "TRAPPED" && len(fields) == 3:
		return entry{skip: "a trap"}, true
	case kind != "GREY" && kind != "WHITE", len(fields) < 9:
		return e, false
	}
	if e.client, ok = clientAt(fields[1]); !ok {
		return e, false
	}
	envelope, numbers := fields[2:len(fields)-5], fields[len(fields)-5:]
	var times [3]int64 // first, pass, expire
	for i := range times {
		n, err := strconv.ParseInt(numbers[i], 10, 64)
		if err != nil || n < 0 {
			return e, false
		}
		times[i] = n
	}
	e.first = times[0]
	if fields[0] == "WHITE" {
		e.passed, e.last, e.passes = true, max(times[1], times[2]-im.Peer.Keep), im.Proven
		return e, true
	}
	if n := len(envelope); n == 2 || n == 3 {
		e.sender, e.recipient = envelope[n-2], envelope[n-1]
	}
	if e.recipient == "" || e.recipient == "<>" {
		return e, false // or an address contains the separator
	}
	e.last = e.first
	return e, true
}
