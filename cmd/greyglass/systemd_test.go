package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// manager plays systemd's part of sd_notify(3) for a site's daemon.
type manager struct {
	mu    sync.Mutex
	heard []string
}

func (s *site) managed(more ...string) *manager {
	s.t.Helper()
	socket := &net.UnixAddr{Name: s.path("notify.sock"), Net: "unixgram"}
	c, err := net.ListenUnixgram("unixgram", socket)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	s.environ = append(s.environ, append([]string{"NOTIFY_SOCKET=" + socket.Name}, more...)...)
	m := &manager{}
	go func() {
		message := make([]byte, 4096)
		for {
			n, err := c.Read(message)
			if err != nil {
				return
			}
			state, _, _ := strings.Cut(string(message[:n]), "\n")
			m.mu.Lock()
			m.heard = append(m.heard, state)
			m.mu.Unlock()
		}
	}()
	return m
}

func (m *manager) count(state string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range m.heard {
		if h == state {
			n++
		}
	}
	return n
}

// The daemon notifies systemd when it serves, reloads, and ends.
func TestSupervisor(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	m := s.managed()
	p := s.serve()
	eventually(t, "READY=1", func() bool { return m.count("READY=1") == 1 })
	p.reload()
	eventually(t, "READY=1 again", func() bool { return m.count("READY=1") == 2 })
	p.stop()
	eventually(t, "STOPPING=1", func() bool { return m.count("STOPPING=1") == 1 })
	if want := []string{"READY=1", "RELOADING=1", "READY=1", "STOPPING=1"}; !slices.Equal(m.heard, want) {
		t.Errorf("systemd was told %v, want %v", m.heard, want)
	}
}

// The watchdog is fed as long as the sockets answer, without a trace in the log.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.configure(conf{
		"listen.milter": quoted(s.socket, "inet:127.0.0.1:0"),
		"listen.policy": quoted("unix:" + s.path("policy.sock")),
		"log.level":     `"debug"`,
	})
	m := s.managed(fmt.Sprintf("WATCHDOG_USEC=%d", 400_000))
	p := s.serve()
	eventually(t, "WATCHDOG=1 a few times", func() bool { return m.count("WATCHDOG=1") > 3 })
	for _, line := range p.log()[1:] {
		if msg := line.str("msg"); msg != "listening" && msg != "started" {
			t.Errorf("the log says %v", line)
		}
	}
	if found := p.find("decision"); len(found) > 0 {
		t.Errorf("feeding the watchdog is judged: %v", found)
	}
}

// Once a socket does not answer, the watchdog starves, and the log says why.
func TestWatchdogStarves(t *testing.T) {
	s := newSite(t, nil)
	m := s.managed()
	t.Setenv("NOTIFY_SOCKET", s.path("notify.sock"))
	var log strings.Builder
	v := supervisor{slog.New(slog.NewTextHandler(&log, nil))}
	fine := healthCheck{&net.UnixAddr{Name: "fine"}, func(context.Context, net.Addr) error { return nil }}
	hangs := healthCheck{&net.UnixAddr{Name: "hangs"}, func(ctx context.Context, _ net.Addr) error { <-ctx.Done(); return ctx.Err() }}
	v.feed(t.Context(), []healthCheck{fine, hangs}, time.Millisecond)
	v.feed(t.Context(), []healthCheck{fine}, testTimeout)
	eventually(t, "WATCHDOG=1", func() bool { return m.count("WATCHDOG=1") > 0 })
	if n := m.count("WATCHDOG=1"); n != 1 {
		t.Errorf("the watchdog was fed %d times, want once", n)
	}
	if !strings.Contains(log.String(), "address=hangs") {
		t.Errorf("the log says %q", log.String())
	}
}
