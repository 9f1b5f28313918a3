package mx

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"greyglass/e2e/lab"
)

// TestFailover: the primary dies, and its standby takes its place, while mail
// flows. The daemons find it by themselves; the gap, in which on_error holds, is
// printed.
func TestFailover(t *testing.T) {
	primary := database(t)
	standby := primary.Standby()
	daemons := []*daemon{startDaemon(t, urlOf(primary, standby)), startDaemon(t, urlOf(standby, primary))}

	var mu sync.Mutex
	var slowest time.Duration
	asked := 0
	stop := make(chan struct{})
	var load sync.WaitGroup
	for n := range 16 {
		load.Go(func() {
			var s session
			defer s.close()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				began := time.Now()
				_, err := s.ask(daemons[n%2].policy(), newID(), envelope{"203.0.113.7", fmt.Sprintf("s%d-%d@sender.test", n, i), "bob@" + lab.Domain})
				took := time.Since(began)
				mu.Lock()
				asked++
				slowest = max(slowest, took)
				mu.Unlock()
				if err != nil {
					t.Errorf("no answer: %v", err)
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	time.Sleep(time.Second)
	died := time.Now()
	primary.Kill()
	time.Sleep(time.Second)
	standby.Promote()
	promoted := time.Now()
	for _, d := range daemons {
		wait(t, "the daemon to find the new primary", func() bool { return d.count("database works again") == 1 })
	}
	back := time.Now()
	time.Sleep(time.Second)
	close(stop)
	load.Wait()

	errors := 0
	var last time.Time
	for i, d := range daemons {
		if n := d.count("database failing, answering by on_error"); n != 1 {
			t.Errorf("daemon %d says %d times that trouble begins", i, n)
		}
		lines := slices.DeleteFunc(d.lines(), func(l logLine) bool { return l.Msg != "decision" })
		for _, l := range lines {
			if l.Reason == "error" {
				errors++
				if l.Time.After(last) {
					last = l.Time
				}
			}
		}
		if last := lines[len(lines)-1]; last.Reason != "not-seen-before" {
			t.Errorf("daemon %d in the end: %+v", i, last)
		}
	}
	t.Logf("the primary was dead for %v until the standby was promoted; the last answer by on_error came %v later, and the daemons were sure of it after %v; %d of %d answers by on_error, the slowest answer after %v",
		promoted.Sub(died).Round(time.Millisecond), last.Sub(promoted).Round(time.Millisecond), back.Sub(promoted).Round(time.Millisecond), errors, asked, slowest.Round(time.Millisecond))
}
