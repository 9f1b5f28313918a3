package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greyglass/contrib/pictures"
	"greyglass/greylist"
	"greyglass/sqlstore/storetest"
)

// TestPictures holds the committed pictures to what they show.
func TestPictures(t *testing.T) {
	decision, err := pictures.Decision(greylist.DefaultWindows)
	if err != nil {
		t.Fatal(err)
	}
	generated(t, filepath.Join("pictures", "decision.svg"), decision)
	for _, reason := range reasons(t) {
		if !strings.Contains(string(decision), reason) {
			t.Errorf("the picture of a decision does not have the reason %s", reason)
		}
	}

	s := newSite(t, nil)
	s.storeDay(time.Date(2026, time.November, 2, 0, 0, 0, 0, time.UTC).Unix())
	const args = "stats --from 2026-11-02 --to 2026-11-03 --utc"
	stats, err := pictures.Terminal("greyglass "+args, s.output(strings.Fields(args)...))
	if err != nil {
		t.Fatal(err)
	}
	generated(t, filepath.Join("pictures", "stats.svg"), stats)
}

// storeDay stores what a small site sees on a day: the counts of each hour, and triplets.
func (s *site) storeDay(day int64) {
	s.t.Helper()
	s.withStore(func(store greylist.Store) error {
		var h greylist.History
		for i, mail := range []int64{4, 3, 2, 2, 3, 6, 14, 30, 52, 61, 58, 50, 41, 49, 55, 53, 46, 35, 26, 20, 17, 12, 9, 6} {
			hour := day + int64(i)*greylist.Hour
			for _, a := range []struct {
				verdict greylist.Verdict
				reason  greylist.Reason
				count   int64
			}{
				{greylist.Accept, greylist.ReasonAlreadyGrey, 4 * mail}, {greylist.Defer, greylist.ReasonNotSeenBefore, mail},
				{greylist.Accept, greylist.ReasonNowGrey, mail / 3}, {greylist.Defer, greylist.ReasonTooSoon, mail / 2}, {greylist.Deny, greylist.ReasonBlocked, mail / 20},
			} {
				if a.count > 0 {
					h.Answered = append(h.Answered, greylist.Answered{Hour: hour, Via: "milter", Verdict: a.verdict, Reason: a.reason, Count: a.count})
				}
			}
			if mail >= 3 {
				h.Returned = append(h.Returned, greylist.Returned{Hour: hour, Within: 4200, Count: mail / 3})
			}
		}
		err := store.Record(s.t.Context(), h)
		for i, sender := range []string{"ann@shop.example", "joe@shop.example", "news@list.example", "bill@hoster.example", "eve@example.com", "dan@example.net"} {
			for j := range 6 - i {
				at := day + int64(8+j)*greylist.Hour
				e := greylist.Entry{FirstSeen: at, LastSeen: at + 4000, Deferred: int64(1 + j)}
				if i%2 == 0 {
					e.PassedAt, e.Accepted = at+4000, 3
				}
				t := greylist.Triplet{Client: fmt.Sprintf("198.51.100.%d", 16*i+j), Sender: sender, Recipient: "bob@example.org"}
				err = errors.Join(err, storetest.Update(s.t.Context(), store, t, storetest.Remember(e)))
			}
		}
		return err
	})
}
