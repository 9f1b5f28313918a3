package web

import (
	"fmt"
	"math"
	"path/filepath"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore"
)

// remember fills the database of a daemon that does not run yet with a month of a site of
// some 500 mailboxes, the same each time: counts, mail that waits, and mail that passed.
func (d *daemon) remember() {
	d.t.Helper()
	store, err := sqlstore.Open(d.t.Context(), "sqlite:"+filepath.Join(d.dir, "greyglass.db"), sqlstore.Options{Create: true})
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			d.t.Error(err)
		}
	}()
	now := time.Now().Unix()
	if err := store.Record(d.t.Context(), month(now)); err != nil {
		d.t.Fatal(err)
	}
	for t, e := range triplets(now) {
		if _, err := store.Update(d.t.Context(), []greylist.Triplet{t}, func([]*greylist.Entry) greylist.Decision {
			return greylist.Decision{Remember: e}
		}); err != nil {
			d.t.Fatal(err)
		}
	}
}

// month is what was counted: more by day than by night, and less on every seventh day.
func month(now int64) (h greylist.History) {
	add := func(hour int64, v greylist.Verdict, r greylist.Reason, n float64) {
		h.Answered = append(h.Answered, greylist.Answered{Hour: hour, Via: "milter", Verdict: v, Reason: r, Count: int64(n)})
	}
	for ago := range int64(30 * 24) {
		hour := greylist.HourOf(now - ago*3600)
		busy := 40 + 35*math.Sin(float64((hour/3600)%24-8)/24*2*math.Pi)
		if (hour/86400)%7 == 0 {
			busy /= 3
		}
		add(hour, greylist.Defer, greylist.ReasonNotSeenBefore, busy)
		add(hour, greylist.Defer, greylist.ReasonTooSoon, busy/4)
		add(hour, greylist.Accept, greylist.ReasonNowGrey, busy/3)
		add(hour, greylist.Accept, greylist.ReasonAlreadyGrey, busy*2)
		for within, part := range map[int64]float64{300: 0.01, 600: 0.02, 1800: 0.03, 3600: 0.05, 3900: 0.09, 4800: 0.06, 7200: 0.04, 14400: 0.02, 28800: 0.01} {
			h.Returned = append(h.Returned, greylist.Returned{Hour: hour, Within: within, Count: int64(busy * part)})
		}
	}
	return h
}

// triplets are what is remembered: of people, of newsletters, and of a pool of mail servers
// that tries each message from another address.
func triplets(now int64) map[greylist.Triplet]greylist.Entry {
	all := make(map[greylist.Triplet]greylist.Entry)
	waits := func(client, sender, recipient string, minutes, tries int64) {
		all[greylist.Triplet{Client: client, Sender: sender, Recipient: recipient}] =
			greylist.Entry{FirstSeen: now - minutes*60, LastSeen: now - min(minutes, 3)*60, Deferred: tries}
	}
	passed := func(client, sender, recipient string, days, times int64) {
		all[greylist.Triplet{Client: client, Sender: sender, Recipient: recipient}] =
			greylist.Entry{FirstSeen: now - days*86400 - 4100, LastSeen: now - days*86400, PassedAt: now - days*86400, Deferred: 1, Accepted: times}
	}
	waits("203.0.113.40", "orders@shop.example", "bob@example.test", 52, 3)
	waits("203.0.113.41", "anna.lindqvist@architects.example", "carol@example.test", 12, 1)
	waits("2001:db8:7::/64", "noreply@parcels.example", "bob@example.test", 95, 2)
	waits("203.0.113.77", "invoice@power-and-water.example", "accounts@example.test", 180, 4)
	waits("203.0.113.90", "<>", "bob@example.test", 5, 1)
	for i := range int64(6) {
		waits(fmt.Sprintf("198.51.100.%d", 10+i), "news@bigmailer.example", "dave@example.test", 30+5*i, 1)
		passed(fmt.Sprintf("192.0.2.%d", 20+i), "erik@university.example", fmt.Sprintf("reader%d@example.test", i), i+1, 3*i+1)
	}
	passed("203.0.113.12", "anna.lindqvist@architects.example", "bob@example.test", 2, 17)
	return all
}
