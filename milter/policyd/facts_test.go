package policyd

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"greyglass/greylist/rules"
	"greyglass/milter/deferred"
	"greyglass/milter/mtatest"
)

// counted is a look-up that counts what it is asked.
type counted struct{ spf, lists atomic.Int32 }

func (c *counted) SPF(context.Context, netip.Addr, string, string) rules.SPF {
	c.spf.Add(1)
	return rules.SPF{Result: rules.SPFFail, Why: "-all"}
}

func (c *counted) Listed(context.Context, netip.Addr, ...string) rules.Listing {
	c.lists.Add(1)
	return rules.Listing{Status: rules.NotInList}
}

func (*counted) Dynamic(string, netip.Addr) bool { return false }

// asksDNS has rules that ask the look-up.
func asksDNS(look *counted) func(*mtatest.Setup) {
	return func(s *mtatest.Setup) {
		s.Rules.Lookup, s.Rules.LookupTimeout = look, time.Second
		s.Rules.Ordered = []rules.Rule{{Name: "dns", When: `dnsbl("bl.example.org") || spf == "fail"`, Then: rules.Greylist}}
	}
}

// byProvider knows clients by what the look-up says, without a rule that asks it.
func byProvider(look *counted) func(*mtatest.Setup) {
	return func(s *mtatest.Setup) {
		s.Rules.Lookup, s.Rules.LookupTimeout = look, time.Second
		s.Policy.Identity.Provider = true
	}
}

// What one recipient of a message has looked up, the others know, also those that
// are asked about on another connection. The next message looks it up again.
func TestRecipientsShareFacts(t *testing.T) {
	for _, c := range []struct {
		name, sender string
		setup        func(*counted) func(*mtatest.Setup)
		lists        int32
	}{
		{"a rule", "stranger@example.net", asksDNS, 1},
		{"a rule, of the null sender", "", asksDNS, 1},
		{"identity", "stranger@example.net", byProvider, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			look := new(counted)
			h := newFixture(t, c.setup(look))
			for i := range 5 {
				h.Ask(t, "sender="+c.sender, "instance=first", fmt.Sprintf("recipient=%d@example.org", i))
			}
			if spf, lists := look.spf.Load(), look.lists.Load(); spf != 1 || lists != c.lists {
				t.Errorf("five recipients look up SPF %d times and the list %d times", spf, lists)
			}
			h.Ask(t, "sender="+c.sender, "instance=second")
			if spf := look.spf.Load(); spf != 2 {
				t.Errorf("two messages look up SPF %d times", spf)
			}
		})
	}
}

// Messages are kept only where their recipients share something, so many and no more.
func TestSharedFactsAreBounded(t *testing.T) {
	h := newFixture(t)
	h.Ask(t, "instance=one")
	if n := h.Server.(*Server).ordinary.byAge.Len(); n != 0 {
		t.Errorf("%d messages are kept of which nothing is looked up", n)
	}
	h = build(t, asksDNS(new(counted)))
	s := h.Server.(*Server)
	for i := range 20_000 {
		s.recipient(&request{instance: fmt.Sprint(i), clientAddress: "192.0.2.7", sender: "stranger@example.net", recipient: "me@example.org"})
	}
	if n := s.ordinary.byAge.Len(); n < 1000 || n > deferred.MaxRoom/perMessage {
		t.Errorf("%d messages are kept", n)
	}
	if n := len(h.Log.All("too many messages wait for DATA")); n != 0 {
		t.Error("said of messages that wait for nothing")
	}
}

// A message that is still judged, since DNS is slow, holds up no other when it has to
// make room.
func TestSlowMessageHoldsUpNoOther(t *testing.T) {
	h := build(t, asksDNS(new(counted)))
	s := h.Server.(*Server)
	slow := s.ordinary.lock(&request{instance: "slow", clientAddress: "192.0.2.7", sender: "stranger@example.net"}, true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 20_000 {
			s.ordinary.lock(&request{instance: fmt.Sprint(i), clientAddress: "192.0.2.7", sender: "stranger@example.net"}, true).mu.Unlock()
		}
	}()
	select {
	case <-done:
	case <-time.After(mtatest.Timeout):
		t.Error("others wait for a message that is being judged")
	}
	slow.mu.Unlock()
	<-done
}
