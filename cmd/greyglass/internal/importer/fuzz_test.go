package importer

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

// Whatever the source is, each record can be stored: its addresses are folded, its client
// is a key, and no time is in the future. Nothing takes long.
func FuzzSource(f *testing.F) {
	f.Add(uint8(0), []byte(dump("203.0.113.0/ann@example.net/bob@example.org", span(900, 600), "203.0.113.7", "5,1799999999")))
	f.Add(uint8(1), []byte("INSERT INTO `connect` VALUES ('a\\'b','example.net','203.0.113.7','bob@example.org','2027-01-15 07:50:00');\n"))
	f.Add(uint8(1), []byte("COPY public.connect (sender_name, sender_domain, src, rcpt, first_seen) FROM stdin;\nann\texample.net\t203.0.113.7\tbob@example.org\t1799999000\n\\.\n"))
	f.Add(uint8(2), fmt.Appendf(nil, "203.0.113.7\t<ann@example.net>\t<bob@example.org>\t%d AUTO # x\n", now))
	f.Add(uint8(3), fmt.Appendf(nil, "GREY|203.0.113.7|mx|<ann@example.net>|<bob@example.org>|%d|1|2|3|4\nWHITE|203.0.113.7|||1|2|3|4|5\n", now-600))
	f.Fuzz(func(t *testing.T, kind uint8, text []byte) {
		began := time.Now()
		k := Kinds[kind%4]
		im := &Import{Kind: k, Source: "-", Stdin: bytes.NewReader(text), Peer: k.Peer, Windows: greylist.DefaultWindows, Proven: 5, Now: now,
			Identity: greylist.Identity{IPv4: 24, IPv6: 64, Normalized: kind&4 != 0}}
		for r, err := range im.List(t.Context(), greylist.Filter{}) {
			if err == nil {
				err = check(im.Identity, r)
			} else if !strings.Contains(err.Error(), "\n") {
				continue
			}
			if err != nil {
				t.Error(err)
			}
		}
		for key := range im.proofs {
			if k, err := im.Identity.ParseClientKey(key); err != nil || k != key {
				t.Errorf("client %q, %v", key, err)
			}
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// check reports what is wrong with a record.
func check(id greylist.Identity, r greylist.Record) error {
	client, err := id.ParseClientKey(r.Client)
	switch {
	case err != nil || client != r.Client:
		return fmt.Errorf("client %q: %q, %w", r.Client, client, err)
	case address.Fold(r.Sender) != r.Sender || address.Fold(r.Recipient) != r.Recipient:
		return fmt.Errorf("addresses are not folded: %v", r.Triplet)
	case max(r.FirstSeen, r.LastSeen, r.PassedAt) > now:
		return fmt.Errorf("a time in the future: %+v", r.Entry)
	}
	return nil
}
