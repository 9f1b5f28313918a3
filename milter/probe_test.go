package milter

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
)

func attempt(client, sender string) greylist.Attempt {
	a := greylist.Attempt{Client: greylist.LocalClient("unix"), Helo: "client.example.net", Sender: sender, Recipient: "me@example.org"}
	if client != "" {
		a.Client = greylist.NetworkClient(netip.MustParseAddr(client))
	}
	return a
}

func TestProbe(t *testing.T) {
	h := newFixture(t, func(s *mtatest.Setup) {
		s.Rules.Blocked = mtatest.Patterns(t, address.Senders, "spam@example.com")
		s.Rules.BlockedVerdict, s.Rules.BlockedReply = greylist.Deny, mtatest.ParseReply(t, "550 5.7.1 100% blocked")
	})
	for _, c := range []struct {
		client, sender string
		want           ProbeAnswer
		reason         greylist.Reason
		loggedClient   string
	}{
		{"", "a@example.net", ProbeAnswer{greylist.Accept, "", "DATA"}, greylist.ReasonLocal, "unknown"},
		{"127.0.0.1", "a@example.net", ProbeAnswer{greylist.Accept, "", "DATA"}, greylist.ReasonLocal, "127.0.0.1"},
		{"192.0.2.7", "A@Example.net", ProbeAnswer{greylist.Defer, mtatest.Greylisted, "RCPT"}, greylist.ReasonNotSeenBefore, "192.0.2.7"},
		{"2001:db8::7", "<a@example.net>", ProbeAnswer{greylist.Defer, mtatest.Greylisted, "RCPT"}, greylist.ReasonNotSeenBefore, "2001:db8::7"},
		{"192.0.2.7", "spam@example.com", ProbeAnswer{greylist.Deny, "550 5.7.1 100% blocked", "RCPT"}, greylist.ReasonBlocked, "192.0.2.7"},
		{"192.0.2.7", "", ProbeAnswer{greylist.Defer, mtatest.Greylisted, "DATA"}, greylist.ReasonNotSeenBefore, "192.0.2.7"},
		{"192.0.2.8", "<>", ProbeAnswer{greylist.Defer, mtatest.Greylisted, "DATA"}, greylist.ReasonNotSeenBefore, "192.0.2.8"},
	} {
		got, err := Probe(t.Context(), h.Address, attempt(c.client, c.sender))
		if err != nil {
			t.Fatal(err)
		}
		if got != c.want {
			t.Errorf("%s %s: got %+v, want %+v", c.client, c.sender, got, c.want)
		}
		line := h.Log.Last("decision")
		if line["reason"] != string(c.reason) || line["client"] != c.loggedClient || line["helo"] != "client.example.net" {
			t.Errorf("%s %s: logged %v", c.client, c.sender, line)
		}
	}
	if rows := h.Remembered(t); len(rows) != 4 {
		t.Errorf("remembered %v, want 4 triplets", rows)
	}
	h.Clock.Advance(3600)
	got, err := Probe(t.Context(), h.Address, attempt("192.0.2.7", "a@example.net"))
	if want := (ProbeAnswer{greylist.Accept, "", "DATA"}); got != want || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	h.Judged(t, greylist.ReasonNowGrey, greylist.Accept)
}

func TestProbeWithoutDaemon(t *testing.T) {
	for _, a := range []listen.Address{{Network: "unix", Addr: filepath.Join(t.TempDir(), "milter.sock")}, {Network: "tcp4", Addr: "127.0.0.1:1"}} {
		_, err := Probe(t.Context(), a, attempt("192.0.2.7", "a@example.net"))
		if err == nil || !strings.Contains(err.Error(), "no answer from "+a.String()+"; is the daemon running?") {
			t.Errorf("error %v", err)
		}
	}
	_, err := Probe(t.Context(), listen.Address{Network: "systemd", Addr: "milter"}, attempt("192.0.2.7", "a@example.net"))
	if err == nil || !strings.Contains(err.Error(), "cannot connect to systemd:milter; give the address that its socket unit listens on") {
		t.Errorf("error %v", err)
	}
}

// A daemon that does not answer, or not to the end, is waited for as long as
// the context lives.
func TestProbeGivesUp(t *testing.T) {
	silent := listen.Address{Network: "unix", Addr: filepath.Join(t.TempDir(), "silent.sock")}
	l, err := net.Listen("unix", silent.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := newFixture(t)
	_, release := h.Store.Hold()
	defer close(release)
	for _, a := range []listen.Address{silent, h.Address} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := Probe(ctx, a, attempt("192.0.2.7", "a@example.net"))
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), a.String()) {
			t.Errorf("%s: error %v", a, err)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Probe(ctx, h.Address, attempt("192.0.2.7", "a@example.net")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
