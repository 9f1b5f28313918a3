package web

import (
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

	// maxThrottled bounds what is remembered. If so many fail at once, further addresses
	// count by their large network, and users no more; at twice as many all are refused.
	maxThrottled = 10_000

	// maxWaiting is how many logins may wait for the comparison of their passwords.
	maxWaiting = 8
)

// throttle slows the guessing of passwords. It also lets one password be compared at a
// time, which takes a processor, so that logins do not slow mail down.
type throttle struct {
	comparing chan struct{}
	waiting   atomic.Int64 // logins that wait for comparing, or compare

	mu       sync.Mutex
	failures map[string][]time.Time // by address or user: within loginWindow
	swept    time.Time              // when those before the window were last dropped
}

func newThrottle() *throttle {
	return &throttle{comparing: make(chan struct{}, 1), failures: make(map[string][]time.Time)}
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

// keys are what a login counts for, with how many may fail.
func (t *throttle) keys(user string, at netip.Addr, now time.Time) map[string]int {
	keys := throttleKeys(user, at)
	for key := range keys {
		if len(t.recent(key, now)) == 0 && len(t.failures) >= maxThrottled {
			delete(keys, key)
			keys[largeKey(at)] = failuresOfAddress
		}
	}
	return keys
}

// throttleKeys are what failures of a user at an address count for. Hosts of one IPv6 network
// change addresses at will.
func throttleKeys(user string, at netip.Addr) map[string]int {
	network := at.String()
	if p, err := at.Prefix(64); at.Is6() && err == nil {
		network = p.String()
	}
	return map[string]int{"address " + network: failuresOfAddress, "user " + user: failuresOfUser}
}

// begin returns how long a login must wait; zero: it may go on. It counts as failed until
// [throttle.succeeded], so that many at once are not all let through.
func (t *throttle) begin(user string, at netip.Addr, now time.Time) (wait time.Duration) {
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
		return wait
	}
	for key := range keys {
		t.failures[key] = append(t.failures[key], now)
	}
	return 0
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

// succeeded forgets the login that began last, since it was right.
func (t *throttle) succeeded(user string, at netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := throttleKeys(user, at)
	keys[largeKey(at)] = 0
	for key := range keys {
		if n := len(t.failures[key]); n > 1 {
			t.failures[key] = t.failures[key][:n-1]
		} else {
			delete(t.failures, key)
		}
	}
}
