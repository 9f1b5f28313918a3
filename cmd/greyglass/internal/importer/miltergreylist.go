package importer

import (
	"context"
	"strconv"
	"strings"
)

// readMilterGreylist reads the dump file of milter-greylist. A triplet waits until its
// time, or, with AUTO, has passed and is accepted until then:
//
//	ADDRESS <SENDER> <RECIPIENT> TIME [AUTO] [# the time in words]
func readMilterGreylist(ctx context.Context, im *Import, yield func(entry)) error {
	return im.eachText(ctx, yield, im.milterGreylistLine)
}

func (im *Import) milterGreylistLine(line string) (e entry, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 4 {
		return e, false
	}
	if e.client, ok = clientAt(fields[0]); !ok {
		return e, false
	}
	e.sender, e.recipient = fields[1], fields[2]
	until, err := strconv.ParseInt(fields[3], 10, 64)
	if err != nil || until <= 0 || strings.Trim(e.recipient, "<>") == "" {
		return e, false
	}
	switch state := append(fields, "#")[4]; {
	case strings.HasPrefix(state, "#"):
		e.first = until - im.Peer.Delay
		e.last = e.first
	case strings.EqualFold(state, "AUTO"):
		e.passed, e.last = true, until-im.Peer.Keep
		e.first = e.last
		if until < im.Now {
			e.skip = "expired"
		}
	case strings.EqualFold(state, "TARPIT"):
		e.skip = "tarpitted"
	default:
		return e, false
	}
	return e, true
}
