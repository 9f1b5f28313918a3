package greylist

import (
	"strings"
	"testing"
)

func TestFill(t *testing.T) {
	all := Details{Wait: 3600, QueueID: "4XyZ0", Code: "ABCD-EFGH"}
	for _, c := range []struct {
		text string
		with Details
		want string
	}{
		{"Try again in {wait}", all, "Try again in 1 hour"},
		{"{wait}, I said {wait}", Details{Wait: 61}, "2 minutes, I said 2 minutes"},
		{"Try again in {wait}", Details{}, "Try again in some time"},
		{"Try again later", all, "Try again later"},
		{"{Wait} {waits} {wait", all, "{Wait} {waits} {wait"},
		{"{code} of {queue_id}", all, "ABCD-EFGH of 4XyZ0"},
		{"of {queue_id}", Details{}, "of NOQUEUE"},
		{"of {queue_id}", Details{QueueID: "a\nb"}, "of NOQUEUE"},
		{"of {queue_id}", Details{QueueID: "ü"}, "of NOQUEUE"},
		{"of {queue_id}", Details{QueueID: strings.Repeat("x", 1000)}, "of " + strings.Repeat("x", maxQueueID)},
		{"{code}{queue_id}", Details{QueueID: "{code}", Code: "ABCD-EFGH"}, "ABCD-EFGH{code}"},
	} {
		if got := (Reply{451, "4.7.1", c.text}).Fill(c.with).Text; got != c.want {
			t.Errorf("%q with %+v: got %q, want %q", c.text, c.with, got, c.want)
		}
	}
}

// Whatever stands for its placeholders, a reply that was taken does not become too long.
func TestFilledReplyFits(t *testing.T) {
	for _, placeholder := range []string{WaitPlaceholder, QueueIDPlaceholder, CodePlaceholder} {
		longest := Reply{}
		for text := "451 4.7.1 "; ; text += placeholder {
			r, err := ParseReply(text+"x", Defer)
			if err != nil {
				break
			}
			longest = r
		}
		filled := longest.Fill(Details{Wait: 4_000_000_000 - 60, QueueID: strings.Repeat("x", 1000), Code: Triplet{}.Code()})
		if n := len(filled.String()); n > maxReply || n < maxReply/2 {
			t.Errorf("%s: %d characters", placeholder, n)
		}
	}
}
