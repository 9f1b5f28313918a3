package policyd

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/judge"
	"greyglass/milter/mtatest"
)

// recipientsOf takes a message's recipients.
func (m *messages) recipientsOf(instance string) (all []string) {
	waiting, _ := m.take(instance)
	for _, a := range waiting {
		all = append(all, a.Attempt.Recipient)
	}
	return all
}

func to(recipient string) *judge.Pending {
	return &judge.Pending{Attempt: greylist.Attempt{Recipient: recipient}}
}

// holds fails the test unless so many recipients are counted, and the books agree.
func (m *messages) holds(t *testing.T, want int) {
	t.Helper()
	weights := 0
	for e := m.byAge.Front(); e != nil; e = e.Next() {
		weights += e.Value.(*keptMessage).weight
	}
	if m.kept != want || weights != want || m.byAge.Len() != len(m.byInstance) {
		t.Errorf("%d recipients are counted, %d there, of %d and %d messages; want %d", m.kept, weights, m.byAge.Len(), len(m.byInstance), want)
	}
}

// What is kept is bounded in number, over all messages; the oldest make room,
// and that is said once.
func TestMessagesBoundedInNumber(t *testing.T) {
	now, book := mtatest.NewClock(1), new(mtatest.Log)
	m := newMessages(now.Now, slog.New(book))
	said := func(want int) {
		t.Helper()
		if n := len(book.All("let in without having been judged")); n != want {
			t.Errorf("said %d times, want %d", n, want)
		}
	}
	const each = 10
	for i := range maxKept/each + 2 {
		for r := range each {
			if kept, _ := m.keep(fmt.Sprint(i), to(fmt.Sprint(r)), each); !kept {
				t.Fatalf("recipient %d of message %d is not kept", r, i)
			}
		}
		if m.kept > maxKept {
			t.Fatalf("%d recipients are kept", m.kept)
		}
	}
	m.holds(t, maxKept)
	said(1)
	for i, want := range map[string]int{"0": 0, "1": 0, "2": each, fmt.Sprint(maxKept/each + 1): each} {
		if got := m.recipientsOf(i); len(got) != want {
			t.Errorf("message %s has %v", i, got)
		}
	}
	m.holds(t, maxKept-2*each)

	// Refusals count too.
	for i := range maxKept + 10 {
		m.refused(fmt.Sprint("r", i), refusal{answer: judge.Answer{Verdict: greylist.Defer}})
	}
	m.holds(t, maxKept)
	said(1)

	// What makes room because it is too old was not to be judged any more.
	now.Advance(int64(messageLife / time.Second))
	m.keep("young", to("0"), each)
	m.holds(t, 1)
	said(1)
	for i := range maxKept {
		m.keep(fmt.Sprint("again", i), to("0"), each)
	}
	said(2)

	// A single message that is longer than all that is kept loses its beginning.
	long := newMessages(now.Now, slog.New(new(mtatest.Log)))
	for i := range maxKept + 1 {
		long.keep("long", to(fmt.Sprint(i)), 1_000_000)
	}
	long.holds(t, 1)
	if got := long.recipientsOf("long"); len(got) != 1 || got[0] != fmt.Sprint(maxKept) {
		t.Errorf("the message has %d recipients", len(got))
	}
	long.holds(t, 0)
}

// What is kept is bounded in time, from a message's first recipient on.
func TestMessagesBoundedInTime(t *testing.T) {
	now := mtatest.NewClock(1)
	m := newMessages(now.Now, slog.New(new(mtatest.Log)))
	life := int64(messageLife / time.Second)
	m.keep("a", to("1"), 10)
	now.Advance(life - 1)
	m.keep("a", to("2"), 10)
	m.keep("b", to("3"), 10)
	m.holds(t, 3)
	now.Advance(1)
	m.keep("c", to("4"), 10)
	m.holds(t, 2)
	now.Advance(life - 2)
	m.refused("d", refusal{answer: judge.Answer{Verdict: greylist.Defer}})
	m.holds(t, 3)
	now.Advance(1)
	m.keep("d", to("5"), 10)
	m.holds(t, 2)
	now.Advance(-life) // the clock was set back
	m.keep("e", to("6"), 10)
	m.holds(t, 3)
	for instance, want := range map[string]string{"a": "[]", "b": "[]", "c": "[4]", "d": "[5]", "e": "[6]"} {
		if got := fmt.Sprint(m.recipientsOf(instance)); got != want {
			t.Errorf("message %s has %s, want %s", instance, got, want)
		}
	}
	m.holds(t, 0)

	m.keep("f", to("7"), 10)
	now.Advance(life)
	if got := m.recipientsOf("f"); got != nil { // also if nothing has come since
		t.Errorf("message f has %v", got)
	}
}

func TestMessagesOverTheLimit(t *testing.T) {
	m := newMessages(mtatest.NewClock(1).Now, slog.New(new(mtatest.Log)))
	for i, want := range []struct{ kept, first bool }{{true, false}, {true, false}, {false, true}, {false, false}} {
		if kept, first := m.keep("a", to(fmt.Sprint(i)), 2); kept != want.kept || first != want.first {
			t.Errorf("recipient %d: kept %t, first %t", i, kept, first)
		}
	}
	m.holds(t, 2)
	if got := fmt.Sprint(m.recipientsOf("a")); got != "[0 1]" {
		t.Errorf("kept %s", got)
	}
	if kept, first := m.keep("a", to("again"), 2); !kept || first {
		t.Errorf("kept %t, first %t", kept, first)
	}
}

// The way over the wire: a DATA that comes too late, or after too many others,
// lets the message in.
func TestForgetsOldMessages(t *testing.T) {
	h := newFixture(t)
	client := h.Policy(t)
	client.Ask(mtatest.Bounce("RCPT", "old", "me@example.org")...)
	h.Clock.Advance(int64(messageLife / time.Second))
	client.Ask(mtatest.Bounce("RCPT", "new", "you@example.org")...)
	if got := client.Ask(mtatest.Bounce("DATA", "old", "")...); got != dunno {
		t.Errorf("action %q", got)
	}
	if got := client.Ask(mtatest.Bounce("DATA", "new", "")...); got != mtatest.Greylisted {
		t.Errorf("action %q", got)
	}
	if n := len(h.Log.All("decision")); n != 1 {
		t.Errorf("%d decisions are logged", n)
	}
}
