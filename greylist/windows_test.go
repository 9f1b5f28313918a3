package greylist

import "testing"

func TestRefreshStep(t *testing.T) {
	for _, c := range []struct{ maxGrey, want int64 }{
		{3_000_000, 3600}, // an hour at most
		{360_000, 3600},
		{359_999, 3599}, // a hundredth of max_grey
		{600, 6},
		{99, 0}, // then every attempt is written
		{0, 0},
	} {
		if got := (Windows{MaxGrey: c.maxGrey}).RefreshStep(); got != c.want {
			t.Errorf("max_grey %d: step of %d s, want %d", c.maxGrey, got, c.want)
		}
	}
}

// TestExpired: an entry stays for twice its window, and goes a second later.
func TestExpired(t *testing.T) {
	const now = 10_000_000
	for _, c := range []struct {
		name  string
		entry Entry
		want  bool
	}{
		{"waiting, new", Entry{FirstSeen: now}, false},
		{"waiting, late", Entry{FirstSeen: now - 25_001}, false},
		{"waiting, exactly two windows", Entry{FirstSeen: now - 50_000}, false},
		{"waiting, a second more", Entry{FirstSeen: now - 50_001}, true},
		{"waiting since the future", Entry{FirstSeen: now + 1}, false},
		{"waiting, last seen just now", Entry{FirstSeen: now - 50_001, LastSeen: now}, true},
		{"passed, new", Entry{FirstSeen: 1, PassedAt: now}, false},
		{"passed, too long ago", Entry{FirstSeen: 1, PassedAt: now - 3_000_001}, false},
		{"passed, exactly two windows", Entry{FirstSeen: 1, PassedAt: now - 6_000_000}, false},
		{"passed, a second more", Entry{FirstSeen: 1, PassedAt: now - 6_000_001}, true},
		{"passed in the future", Entry{FirstSeen: 1, PassedAt: now + 1}, false},
	} {
		if got := DefaultWindows.Cutoffs(now).Expired(c.entry); got != c.want {
			t.Errorf("%s: expired %v, want %v", c.name, got, c.want)
		}
	}
}

func TestState(t *testing.T) {
	for want, e := range map[string]Entry{
		"waiting": {FirstSeen: 1, LastSeen: 2, Deferred: 1},
		"passed":  {FirstSeen: 1, LastSeen: 2, PassedAt: 2, Deferred: 1, Accepted: 1},
	} {
		if got := e.State(); got != want || e.Passed() != (want == "passed") {
			t.Errorf("%+v: state %q, passed %v; want %q", e, got, e.Passed(), want)
		}
	}
}
