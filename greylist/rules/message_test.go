package rules

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"greyglass/greylist"
)

// slowLookup takes a time for each look-up, and finds out nothing if the context ends first.
type slowLookup time.Duration

func (l slowLookup) waits(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Duration(l)):
		return true
	}
}

func (l slowLookup) SPF(ctx context.Context, _ netip.Addr, _, _ string) SPF {
	if !l.waits(ctx) {
		return SPF{Result: SPFTempError}
	}
	return SPF{Result: SPFPass}
}

func (l slowLookup) Listed(ctx context.Context, _ netip.Addr, _ ...string) Listing {
	if !l.waits(ctx) {
		return Listing{Status: Unknown}
	}
	return Listing{Status: InList}
}

func (slowLookup) Dynamic(string, netip.Addr) bool { return false }

// TestLookupsOfMessage: the look-ups for one message together have one timeout. The time
// between its recipients does not count.
func TestLookupsOfMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := mustCompile(t, Config{Lookup: slowLookup(800 * time.Millisecond), LookupTimeout: 2 * time.Second})
		message := new(Message)
		recipient := func() *Facts {
			f := NewFacts(&greylist.Attempt{Client: greylist.ParseClient("192.0.2.7"), Sender: "a@example.net"}, message)
			rules.Bind(f)
			return f
		}
		if got := recipient().SPF(t.Context()).Result; got != SPFPass {
			t.Errorf("SPF is %s", got)
		}
		time.Sleep(time.Minute) // as clients take between two commands
		if got := recipient().Listed(t.Context(), "a.example").Status; got != InList {
			t.Errorf("the list says %s", got)
		}
		began := time.Now()
		if got := recipient().Listed(t.Context(), "b.example").Status; got != Unknown || time.Since(began) != 400*time.Millisecond {
			t.Errorf("the other list says %s after %v", got, time.Since(began))
		}
		if got := recipient().SPF(t.Context()).Result; got != SPFPass {
			t.Errorf("SPF is %s the second time", got)
		}
	})
}

// recoveringMemory fails for the first look-up.
type recoveringMemory struct{ asked int }

var errMemory = errors.New("the database is down")

func (m *recoveringMemory) Client(context.Context, string) (*greylist.ClientEntry, error) {
	if m.asked++; m.asked == 1 {
		return nil, errMemory
	}
	return &greylist.ClientEntry{Passed: 1}, nil
}

func (*recoveringMemory) Correspondent(context.Context, greylist.Correspondent) (*greylist.CorrespondentEntry, error) {
	return nil, nil
}

// TestKnownClientOfMessage: a failed look-up counts for one recipient, and what is found for
// all that follow.
func TestKnownClientOfMessage(t *testing.T) {
	memory, message := new(recoveringMemory), new(Message)
	recipient := func() *Facts {
		f := NewFacts(new(greylist.Attempt), message)
		f.Learned.Memory = memory
		return f
	}
	first := recipient()
	for range 2 {
		if e, err := first.KnownClient(t.Context(), "example.net"); e != nil || !errors.Is(err, errMemory) {
			t.Errorf("while the database is down: %+v, %v", e, err)
		}
	}
	for range 2 {
		if e, err := recipient().KnownClient(t.Context(), "example.net"); e == nil || err != nil {
			t.Errorf("after that: %+v, %v", e, err)
		}
	}
	if memory.asked != 2 {
		t.Errorf("asked %d times, want 2", memory.asked)
	}
}
