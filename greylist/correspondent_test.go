package greylist

import (
	"testing"

	"greyglass/greylist/address"
)

// outgoing has two domains of users, and keeps correspondents for 90 days.
func outgoing(t *testing.T) *Outgoing {
	o := &Outgoing{Keep: 90 * 24 * Hour}
	for _, domain := range []string{"example.org", "*.example.org", "bücher.example"} {
		if err := o.Domains.AddDomain(domain); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// TestCorrespondent: who is a user's correspondent by mail from one to the other. The same
// mail in the other direction is a reply.
func TestCorrespondent(t *testing.T) {
	o := outgoing(t)
	for _, c := range []struct{ sender, recipient, want string }{
		{"bob@example.org", "ann@example.net", "bob@example.org ann@example.net"},
		{"<Bob@Example.ORG>", "<Ann@example.NET>", "bob@example.org ann@example.net"},
		{"bob@mail.example.org", "ann@example.net", "bob@mail.example.org ann@example.net"},
		{"bob@xn--bcher-kva.example", "ann@müller.example", "bob@xn--bcher-kva.example ann@xn--mller-kva.example"},
		{"bob+shop@example.org", "ann+list@example.net", "bob@example.org ann@example.net"},
		{"prvs=1234abcdef=bob@example.org", "ann@example.net", "bob@example.org ann@example.net"},
		{"bob@example.org", "prvs=ann=1234abcdef@example.net", "bob@example.org ann@example.net"},
		{"list-bounces+ann=example.net@example.org", "ann@example.net", "list-bounces@example.org ann@example.net"},
		{"bob@example.org", "list-return-123-bob=example.org@lists.example", "bob@example.org list-return@lists.example"},
		{"bob2007@example.org", "x-men@example.net", "bob2007@example.org x-men@example.net"},

		{"", "ann@example.net", ""},
		{"<>", "ann@example.net", ""},
		{"bob", "ann@example.net", ""},
		{"bob@example.org", "postmaster", ""},
		{"bob@example.org", "carol@example.org", ""},
		{"ann@example.net", "dan@example.com", ""},
		{"ann@example.net", "bob@example.org", ""},
		{"SRS0=pxZo=OX=example.net=ann@example.org", "dan@example.com", ""},
		{"bob@example.org", "SRS0=pxZo=OX=example.net=ann@forwarder.example", ""},
		{"bob@example.org", "0100018f2c3d4e5f-9a8b7c6d-1234-abcd-000000@bounces.example.com", ""},
		{"@example.org", "ann@example.net", ""},
	} {
		got := ""
		if who, ok := o.Sent(c.sender, c.recipient); ok {
			got = who.Local + " " + who.Remote
		}
		if got != c.want {
			t.Errorf("from %q to %q: %q, want %q", c.sender, c.recipient, got, c.want)
		}
		sent, ok1 := o.Sent(c.sender, c.recipient)
		if answered, ok2 := o.Reply(c.recipient, c.sender); ok1 != ok2 || ok1 && answered != sent {
			t.Errorf("a reply from %q to %q: %v, %t", c.recipient, c.sender, answered, ok2)
		}
	}
	if none := new(Outgoing); none.Teaches() || !o.Teaches() {
		t.Error("without domains nothing is learned, with some it is")
	} else if who, ok := none.Sent("bob@example.org", "ann@example.net"); ok {
		t.Errorf("without domains: %v", who)
	}
}

// FuzzCorrespondent: what is noted is found by a reply to what was written, whatever is
// written, and is stored in one form.
func FuzzCorrespondent(f *testing.F) {
	f.Add("bob+x@example.org", "prvs=ann=1234abcdef@example.net")
	f.Add("SRS0=a=b=c=d@example.org", "\"a b\"@example.net")
	f.Fuzz(func(t *testing.T, sender, recipient string) {
		o := &Outgoing{Keep: 1}
		if err := o.Domains.AddDomain("example.org"); err != nil {
			t.Fatal(err)
		}
		c, ok := o.Sent(sender, recipient)
		if !ok {
			return
		}
		for _, mailbox := range []string{c.Local, c.Remote} {
			if again, ok := address.Mailbox(mailbox); !ok || again != mailbox {
				t.Errorf("%q becomes %q, %t", mailbox, again, ok)
			}
		}
		if again, ok := o.Reply(c.Remote, c.Local); !ok || again != c {
			t.Errorf("a reply to %v is one of %v, %t", c, again, ok)
		}
	})
}

// TestCorrespondentCounts: for how long a correspondent counts, and when it is written.
func TestCorrespondentCounts(t *testing.T) {
	o := outgoing(t)
	const now = 1_700_000_000
	for _, c := range []struct {
		name        string
		e           *CorrespondentEntry
		counts, due bool
	}{
		{"unknown", nil, false, true},
		{"just written to", &CorrespondentEntry{now, now}, true, false},
		{"within the hour", &CorrespondentEntry{now - 9999, now - 3599}, true, false},
		{"an hour ago", &CorrespondentEntry{now - 9999, now - 3600}, true, true},
		{"as long ago as it is kept", &CorrespondentEntry{now - o.Keep, now - o.Keep}, true, true},
		{"longer ago", &CorrespondentEntry{now - o.Keep - 1, now - o.Keep - 1}, false, true},
		{"in the future", &CorrespondentEntry{now, now + 9999}, true, true},
		{"first in the future", &CorrespondentEntry{now + 9999, now}, true, true},
	} {
		age := AgeAt(now)
		if got := o.Counts(c.e, age); got != c.counts {
			t.Errorf("%s: counts: %t", c.name, got)
		}
		if got := o.Due(c.e, now, age); got != c.due {
			t.Errorf("%s: due: %t", c.name, got)
		}
		if c.e == nil {
			continue
		}
		merged := CorrespondentNotes{Now: now}.Merge(*c.e, CorrespondentEntry{now, now})
		if !o.Counts(&merged, age) || o.Due(&merged, now, age) {
			t.Errorf("%s: merged %+v", c.name, merged)
		}
	}
}
