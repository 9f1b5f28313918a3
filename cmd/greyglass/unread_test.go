package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// unread starts a daemon that logs into a pipe, and reads that until the daemon
// serves. The rest of the log is in log, for as long as the pipe out is open.
func (s *site) unread() (p *process, log *bufio.Reader, out *os.File) {
	s.t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = out.Close() })
	cmd := s.command(context.Background(), "serve")
	cmd.Stderr = in
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	_ = in.Close()
	p = &process{t: s.t, cmd: cmd, done: make(chan struct{})}
	go func() { _ = cmd.Wait(); close(p.done) }()
	s.t.Cleanup(p.kill)
	log = bufio.NewReader(out)
	for len(p.find(`"started"`)) == 0 {
		p.lines = append(p.lines, next(s.t, log))
	}
	return p, log, out
}

// next reads a line of a log.
func next(t *testing.T, log *bufio.Reader) (line logLine) {
	t.Helper()
	text, err := log.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(text, &line)
	}
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return line
}

// number is the value of a metric without labels.
func (p *process) number(metric string) (n float64) {
	p.t.Helper()
	_, body := p.get("/metrics")
	_, after, found := strings.Cut(body, "\n"+metric+" ")
	if _, err := fmt.Sscan(after, &n); !found || err != nil {
		p.t.Errorf("%s: found %v, %v", metric, found, err)
	}
	return n
}

// deferred asks by policy about so many recipients, each of whom is answered soon.
func (s *site) deferred(recipients int) {
	s.t.Helper()
	c, err := net.Dial("unix", s.path("policy.sock"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	answers := bufio.NewReader(c)
	for i := range recipients {
		_ = c.SetDeadline(time.Now().Add(3 * time.Second))
		fmt.Fprintf(c, "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=203.0.113.7\nsender=ann@example.net\nrecipient=bob%d@example.org\n\n", i)
		line, err := answers.ReadString('\n')
		if err == nil {
			_, err = answers.ReadString('\n')
		}
		if err != nil || !strings.HasPrefix(line, "action=451 ") {
			s.t.Fatalf("recipient %d: %q, %v", i, line, err)
		}
	}
}

// A log that is not read stops neither mail nor the end of the daemon; once it is
// read again, one line says how many lines are missing.
func TestFaultLogUnread(t *testing.T) {
	t.Parallel()
	const recipients = 4000 // whose lines, 800 KB, are more than the pipe and the daemon hold
	for _, c := range []struct {
		name       string
		gone, read bool // the pipe is closed at the beginning, read at the end
	}{{name: "never read"}, {name: "not read for a while", read: true}, {name: "the reader is gone", gone: true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			s.configure(conf{"listen.policy": quoted("unix:" + s.path("policy.sock")), "listen.http": `"127.0.0.1:0"`})
			daemon, log, pipe := s.unread()
			if c.gone {
				_ = pipe.Close()
			}
			s.deferred(recipients)
			if status, body := daemon.get("/readyz"); status != http.StatusOK {
				t.Errorf("not ready: %s", body)
			}
			dropped := daemon.number("greyglass_log_lines_dropped_total")
			if dropped == 0 || dropped >= recipients && !c.gone {
				t.Errorf("%v lines were dropped, of %d", dropped, recipients)
			}
			if c.read {
				decisions, report := 0, next(t, log)
				for ; report.str("msg") == "decision"; report = next(t, log) {
					decisions++
				}
				if report.str("level") != "WARN" || report["lines"] != dropped || report.str("after") == "" || decisions+int(dropped) != recipients {
					t.Errorf("%d decisions, then %v", decisions, report)
				}
			}
			daemon.stop()
		})
	}
}
