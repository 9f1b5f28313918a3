package web

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Failed logins that are allowed in loginWindow, from one address and of one user.
	failuresOfAddress = 5
	failuresOfUser    = 20
	loginWindow       = 5 * time.Minute

	// maxThrottled bounds the table of failures. Once it has so many entries, further
	// addresses count by their large network, and further users by groups of many; at
	// twice as many entries, logins without an entry are refused.
	maxThrottled = 10_000

	// userGroups is how many groups of users there are then.
	userGroups = 1024

	// maxWaiting is how many logins may wait for the comparison of their passwords.
	maxWaiting = 8
)

// throttle slows the guessing of passwords. It also lets one password be compared at a
// time, which takes a processor, so that logins do not slow mail down.
type throttle struct {
	comparing chan struct{}
	waiting   atomic.Int64 // logins that wait for comparing, or compare

	seed maphash.Seed // of the groups, so that nobody can choose names of one group

	mu       sync.Mutex
	failures map[string][]time.Time // by address or user: within loginWindow
	swept    time.Time              // when those before the window were last dropped
}

func newThrottle() *throttle {
	return &throttle{comparing: make(chan struct{}, 1), seed: maphash.MakeSeed(), failures: make(map[string][]time.Time)}
}

// userGroup is what failures of a user count for while the table is full.
func (t *throttle) userGroup(user string) string {
	return fmt.Sprint("users ", maphash.String(t.seed, user)%userGroups)
}

// largeKey is what failures of an address count for while the table is full.
func largeKey(at netip.Addr) string {
	bits := 16
	if at.Is6() {
		bits = 48
	}
	network, _ := at.Prefix(bits)
	return "network " + network.String()
}

// keys are what a login counts for, with how many may fail. Hosts of one IPv6 network change
// addresses at will.
func (t *throttle) keys(user string, at netip.Addr, now time.Time) map[string]int {
	network := at.String()
	if p, err := at.Prefix(64); at.Is6() && err == nil {
		network = p.String()
	}
	keys := make(map[string]int)
	for _, k := range []struct {
		own, whenFull string
		most          int
	}{
		{"address " + network, largeKey(at), failuresOfAddress},
		{"user " + user, t.userGroup(user), failuresOfUser},
	} {
		if len(t.recent(k.own, now)) == 0 && len(t.failures) >= maxThrottled {
			k.own = k.whenFull
		}
		keys[k.own] = k.most
	}
	return keys
}

// begin returns how long a login must wait; zero: it may go on. It counts as failed, under
// counted, until [throttle.succeeded], so that many at once are not all let through.
func (t *throttle) begin(user string, at netip.Addr, now time.Time) (wait time.Duration, counted []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := t.keys(user, at, now)
	for key, most := range keys {
		recent := t.recent(key, now)
		if len(recent) >= most {
			wait = max(wait, recent[len(recent)-most].Add(loginWindow).Sub(now))
		}
		if len(recent) == 0 && len(t.failures) >= 2*maxThrottled {
			wait = max(wait, loginWindow)
		}
	}
	if wait > 0 {
		return wait, nil
	}
	for key := range keys {
		t.failures[key] = append(t.failures[key], now)
		counted = append(counted, key)
	}
	return 0, counted
}

// recent returns the failures within the window.
func (t *throttle) recent(key string, now time.Time) []time.Time {
	if len(t.failures) >= maxThrottled && now.Sub(t.swept).Abs() >= time.Second {
		t.swept = now
		for other := range t.failures {
			t.drop(other, now)
		}
	}
	return t.drop(key, now)
}

// drop drops the failures before the window.
func (t *throttle) drop(key string, now time.Time) []time.Time {
	recent := t.failures[key]
	for len(recent) > 0 && now.Sub(recent[0]) >= loginWindow {
		recent = recent[1:]
	}
	if len(recent) == 0 {
		delete(t.failures, key)
		return nil
	}
	t.failures[key] = recent
	return recent
}

// succeeded forgets the login that began last and was counted under the keys, since it was
// right.
func (t *throttle) succeeded(counted []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range counted {
		if n := len(t.failures[key]); n > 1 {
			t.failures[key] = t.failures[key][:n-1]
		} else {
			delete(t.failures, key)
		}
	}
}
