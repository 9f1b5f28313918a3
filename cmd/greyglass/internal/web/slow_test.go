package web

import (
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestSlowRequests: a thousand connections that are idle, or never end their request, do not
// keep the page from others, nor mail.
func TestSlowRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.login(operator)
	for i := range 1000 {
		c, err := net.Dial("tcp", s.at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%20 == 0 { // as slowloris does
			fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n", s.at)
		}
	}
	if a := s.attempt(theClient, ann, bob); a.Reason != "not-seen-before" {
		t.Errorf("answered %+v", a)
	}
	began := time.Now()
	b.Client.CloseIdleConnections()
	b.Get("/").Says(t, http.StatusOK)
	if took := time.Since(began); took > headerTimeout+2*time.Second {
		t.Errorf("the page came after %v", took)
	}
}

// TestLimiter: the connection that has been silent longest gives way to a new one, whether new
// or idle; if all have a request, the one whose request takes longest.
func TestLimiter(t *testing.T) {
	t.Parallel()
	l := new(limiter)
	var conns []net.Conn
	open := func(i int) bool {
		_ = conns[i].SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err := conns[i].Read(make([]byte, 1))
		timeout, ok := err.(net.Error)
		return ok && timeout.Timeout()
	}
	for i := range maxConnections {
		c, other := net.Pipe()
		defer other.Close()
		conns = append(conns, c)
		l.note(c, http.StateNew)
		if i == 0 {
			l.note(c, http.StateActive)
		}
	}
	l.note(conns[1], http.StateActive)
	l.note(conns[1], http.StateIdle) // now the last of the silent
	c, other := net.Pipe()
	defer other.Close()
	conns = append(conns, c)
	l.note(c, http.StateNew)
	for i := range conns {
		if want := i != 2; open(i) != want {
			t.Errorf("connection %d: open %v, want %v", i, open(i), want)
		}
	}
	l.note(conns[2], http.StateClosed)
	for i, c := range conns {
		if i != 0 && i != 2 {
			l.note(c, http.StateActive)
		}
	}
	c, other = net.Pipe()
	defer other.Close()
	conns = append(conns, c)
	l.note(c, http.StateNew)
	for i := range conns {
		if want := i != 0 && i != 2; open(i) != want {
			t.Errorf("connection %d: open %v, want %v", i, open(i), want)
		}
	}
	if n := len(l.open); n != maxConnections {
		t.Errorf("%d connections are counted", n)
	}
}
