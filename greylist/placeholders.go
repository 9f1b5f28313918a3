package greylist

import (
	"slices"
	"strings"
)

// The placeholders that are replaced when a reply is sent. Those that the
// configuration gives a text, {contact} and {url}, are replaced when that is read.
const (
	WaitPlaceholder    = "{wait}"     // in how long a retry can pass, in words
	QueueIDPlaceholder = "{queue_id}" // the MTA's name for the message
	CodePlaceholder    = "{code}"     // see [Triplet.Code]
)

// What stands for a placeholder where nothing is known.
const (
	unknownWait = "some time"
	noQueueID   = "NOQUEUE" // as Postfix writes it
)

// maxQueueID is how many octets of a queue ID a reply has at most.
const maxQueueID = 64

// longest has the longest text that can stand for each placeholder.
var longest = strings.NewReplacer(
	WaitPlaceholder, WaitInWords(4_000_000_000-60),
	QueueIDPlaceholder, strings.Repeat("x", maxQueueID),
	CodePlaceholder, Triplet{}.Code())

// Details are what a reply can tell of the recipient whom it refuses.
type Details struct {
	Wait    int64  // seconds until a retry can pass; zero: not known
	QueueID string // empty: there is none yet
	Code    string
}

// Fill replaces the placeholders.
func (r Reply) Fill(d Details) Reply {
	if !strings.Contains(r.Text, "{") {
		return r
	}
	if strings.Contains(r.Text, WaitPlaceholder) {
		wait := unknownWait
		if d.Wait > 0 {
			wait = WaitInWords(d.Wait)
		}
		r.Text = strings.ReplaceAll(r.Text, WaitPlaceholder, wait)
	}
	r.Text = strings.ReplaceAll(r.Text, CodePlaceholder, d.Code)
	if strings.Contains(r.Text, QueueIDPlaceholder) {
		r.Text = strings.ReplaceAll(r.Text, QueueIDPlaceholder, queueIDInReply(d.QueueID))
	}
	return r
}

func queueIDInReply(id string) string {
	id = id[:min(len(id), maxQueueID)]
	if id == "" || slices.ContainsFunc([]byte(id), func(c byte) bool { return c <= ' ' || c > '~' }) {
		return noQueueID
	}
	return id
}
