package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a running 'greyglass serve'.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended

	mu    sync.Mutex
	lines []logLine
}

// logLine is a line of the daemon's log in JSON. A line in another form has the
// one key "text".
type logLine map[string]any

func (l logLine) str(key string) string { s, _ := l[key].(string); return s }

// serve starts a daemon and waits until it serves. It is stopped, and must end
// well, when the test ends.
func (s *site) serve(args ...string) *process {
	s.t.Helper()
	p := s.start(args...)
	p.wait("started")
	s.t.Cleanup(p.stop)
	return p
}

// start starts a daemon that may not come far.
func (s *site) start(args ...string) *process {
	s.t.Helper()
	return s.startCommand(s.command(context.Background(), append([]string{"serve"}, args...)...))
}

func (s *site) startCommand(cmd *exec.Cmd) *process {
	s.t.Helper()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	p := &process{t: s.t, cmd: cmd, done: make(chan struct{})}
	go p.follow(stderr)
	s.t.Cleanup(func() {
		p.kill()
		if s.t.Failed() {
			s.t.Logf("log of the daemon:\n%v", p.log())
		}
	})
	return p
}

// follow notes what the daemon logs, until it ends.
func (p *process) follow(stderr io.Reader) {
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		var line logLine
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			line = logLine{"text": lines.Text()}
		}
		p.mu.Lock()
		p.lines = append(p.lines, line)
		p.mu.Unlock()
	}
	_ = p.cmd.Wait()
	close(p.done)
}

// log is a copy of all lines so far.
func (p *process) log() []logLine {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

// find returns the lines that hold each of the texts somewhere.
func (p *process) find(texts ...string) (found []logLine) {
	for _, line := range p.log() {
		var all strings.Builder
		encoder := json.NewEncoder(&all)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(line); err != nil {
			p.t.Error(err)
		}
		if !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(all.String(), s) }) {
			found = append(found, line)
		}
	}
	return found
}

// wait waits for a line that holds each of the texts, and returns the last.
func (p *process) wait(texts ...string) logLine {
	p.t.Helper()
	return p.waitMore(0, texts...)
}

// waitMore waits until more than n lines hold each of the texts.
func (p *process) waitMore(n int, texts ...string) logLine {
	p.t.Helper()
	var found []logLine
	eventually(p.t, "a log line with "+strings.Join(texts, ", "), func() bool {
		select {
		case <-p.done:
			if found = p.find(texts...); len(found) <= n {
				p.t.Fatalf("the daemon has ended: %v", p.log())
			}
		default:
		}
		found = p.find(texts...)
		return len(found) > n
	})
	return found[len(found)-1]
}

// decision waits for the line that the daemon logs of a recipient.
func (p *process) decision(recipient string) logLine {
	p.t.Helper()
	return p.wait(`"msg":"decision"`, `"recipient":"`+recipient+`"`)
}

// signal sends a signal.
func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// reload sends SIGHUP and waits until the configuration holds.
func (p *process) reload() {
	p.t.Helper()
	n := len(p.find("configuration reloaded"))
	p.signal(syscall.SIGHUP)
	p.waitMore(n, "configuration reloaded")
}

// stop ends the daemon in good order, which must not take long.
func (p *process) stop() {
	p.t.Helper()
	select {
	case <-p.done:
		return
	default:
	}
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
		if status := p.cmd.ProcessState.ExitCode(); status != 0 {
			p.t.Errorf("the daemon ended with status %d", status)
		}
	case <-time.After(testTimeout):
		p.t.Error("the daemon does not end")
	}
}

// kill ends the daemon as a crash does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}
