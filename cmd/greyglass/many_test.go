package main

import (
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"greyglass/e2e/lab"
)

// The default limits let a thousand sessions of an MTA in from one address, which
// has as many silent connections; these are closed by themselves.
func TestManySessionsFromOneAddress(t *testing.T) {
	t.Parallel()
	const sessions = 1000
	var files syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files)
	lab.Need(t, err == nil && files.Max >= 4*sessions, "not allowed to open 4000 files (ulimit -Hn)")

	s := newSite(t, nil)
	s.configure(conf{"listen.milter": quoted("inet:127.0.0.1:0")})
	daemon := s.serve()
	address := daemon.wait(`"listening"`).str("bound")
	var silent []net.Conn
	for range sessions {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		silent = append(silent, c)
	}
	client := milter.NewClient("tcp", address, milter.WithReadTimeout(testTimeout), milter.WithWriteTimeout(testTimeout))
	var all []*milter.ClientSession
	for n := range sessions {
		session, err := client.Session(milter.NewMacroBag())
		if err != nil {
			t.Fatalf("session %d: %v", n, err)
		}
		defer session.Close()
		all = append(all, session)
	}
	for n, session := range all {
		mail(t, session)
		if action, err := session.Rcpt("bob@example.org", ""); err != nil || !strings.HasPrefix(action.SMTPReply, "451 4.7.1 ") {
			t.Fatalf("session %d is answered %v, %v", n, action, err)
		}
	}
	for n, c := range silent {
		_ = c.SetDeadline(time.Now().Add(testTimeout))
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("connection %d: %v", n, err)
		}
	}
	eventually(t, "the log has each silent connection", func() bool { return len(daemon.find("no request came in time")) == sessions })
	if lines := daemon.find("connection limit reached"); len(lines) != 0 {
		t.Errorf("%v", lines)
	}
}
