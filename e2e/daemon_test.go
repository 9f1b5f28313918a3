package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"greyglass/e2e/build"
	"greyglass/e2e/lab"
)

// timeout bounds every wait for something that should come at once.
const timeout = 30 * time.Second

// daemon is a running "greyglass serve".
type daemon struct {
	t      *testing.T
	dir    string // holds everything; the mail servers' users may walk into it
	config string // its file
	port   int    // of the milter; that of the policy service is the next

	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended

	mu     sync.Mutex
	lines  []logLine
	news   chan struct{} // closed and replaced with each line
	status int
}

// logLine is a line of the daemon's log.
type logLine map[string]any

func (l logLine) str(key string) string { s, _ := l[key].(string); return s }

// settings are the configuration that every daemon of these tests has. The
// clients run on this machine, so loopback must not be accepted.
const settings = `
[listen]
milter = ["inet:127.0.0.1:%[2]d", "inet6:[::1]:%[2]d", "unix:%[1]s/milter.sock"]
policy = ["inet:127.0.0.1:%[3]d", "unix:%[1]s/policy.sock"]
socket_group = "mail"
[store]
url = "sqlite:%[1]s/greyglass.db"
[rules]
accept_loopback = false
%[4]s
[blocked]
senders_file = "%[1]s/blocked.list"
exceptions_file = "%[1]s/exceptions.list"
%[5]s
[log]
format = "json"
[greylist]
%[6]s
%[7]s
`

// conf is what differs between the tests' configurations: lines of these sections, and
// more sections.
type conf struct{ rules, blocked, greylist, more string }

// Windows for tests: quick, where a retry shall pass; the defaults, where no
// retry can, however slow the machine.
const (
	quick = "too_soon = 1\nmin_defer_time = 2\nmax_defer_time = 600\n"
	slow  = ""
)

// quickWait is how long an unknown triplet must wait by the quick windows.
const quickWait = 2 * time.Second

// lastPort counts up, apart from the ports of the mail servers and of clients: in
// the lab's namespace no other program listens.
var lastPort atomic.Int32

func init() { lastPort.Store(10000) }

// startDaemon starts a daemon and returns when it serves.
func startDaemon(t *testing.T, c conf) *daemon {
	t.Helper()
	dir := lab.Dir(t)
	d := &daemon{t: t, dir: dir, config: filepath.Join(dir, "greyglass.toml"), port: int(lastPort.Add(2))}
	d.write("blocked.list", "")
	d.write("exceptions.list", "")
	d.configure(c)
	d.start()
	t.Cleanup(func() {
		d.stop()
		if t.Failed() {
			t.Logf("log of greyglass:\n%s", d.text())
		}
	})
	return d
}

// configure writes the configuration; a running daemon wants reload to see it.
func (d *daemon) configure(c conf) {
	d.t.Helper()
	d.write("greyglass.toml", fmt.Sprintf(settings, d.dir, d.port, d.port+1, c.rules, c.blocked, c.greylist, c.more))
}

// write writes a file into the daemon's folder, as editors do: beside it, and
// then in its place.
func (d *daemon) write(name, text string) {
	d.t.Helper()
	if err := lab.ReplaceFile(filepath.Join(d.dir, name), text); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) start() {
	d.t.Helper()
	d.cmd = exec.Command(lab.Program(), "serve", "--config", d.config)
	d.cmd.Env = build.Environ()
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	d.mu.Lock()
	d.lines, d.news = nil, make(chan struct{})
	d.mu.Unlock()
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.done = make(chan struct{})
	go d.follow(stderr)
	d.waitLog("started")
}

// follow collects what the daemon logs until it ends.
func (d *daemon) follow(stderr io.Reader) {
	scanner := bufio.NewScanner(stderr)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var line logLine
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			line = logLine{"msg": "not JSON: " + scanner.Text()}
		}
		d.mu.Lock()
		d.lines = append(d.lines, line)
		close(d.news)
		d.news = make(chan struct{})
		d.mu.Unlock()
	}
	_ = d.cmd.Wait()
	d.status = d.cmd.ProcessState.ExitCode()
	close(d.done)
}

// suspend makes the daemon hang, and returns when every thread of it is stopped.
func (d *daemon) suspend() {
	d.t.Helper()
	_ = d.cmd.Process.Signal(syscall.SIGSTOP)
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", d.cmd.Process.Pid))
		if !slices.ContainsFunc(threads, func(stat string) bool {
			text, err := os.ReadFile(stat)
			return err == nil && !strings.Contains(string(text), ") T ") // proc(5)
		}) {
			return
		}
		if time.Since(began) > timeout {
			d.t.Fatal("greyglass does not stop")
		}
	}
}

// resume lets it go on.
func (d *daemon) resume() { _ = d.cmd.Process.Signal(syscall.SIGCONT) }

// kill ends the daemon as a crash does.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	<-d.done
}

// stop ends the daemon by SIGTERM, and fails the test if it does not.
func (d *daemon) stop() {
	d.t.Helper()
	select {
	case <-d.done:
		return
	default:
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	d.resume()
	select {
	case <-d.done:
		if d.status != 0 {
			d.t.Errorf("greyglass ended with status %d", d.status)
		}
	case <-time.After(timeout):
		_ = d.cmd.Process.Kill()
		d.t.Errorf("greyglass did not end")
	}
}

func (d *daemon) reload() {
	d.t.Helper()
	n := d.count("configuration reloaded")
	_ = d.cmd.Process.Signal(syscall.SIGHUP)
	d.wait("a reload", func() bool { return d.count("configuration reloaded") > n })
}

func (d *daemon) count(msg string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.lines {
		if l.str("msg") == msg {
			n++
		}
	}
	return n
}

// decisions returns the decision log, of one recipient or, for "", of all.
func (d *daemon) decisions(recipient string) (lines []logLine) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.lines {
		if l.str("msg") == "decision" && (recipient == "" || l.str("recipient") == recipient) {
			lines = append(lines, l)
		}
	}
	return lines
}

// reasons waits for n decisions on a recipient, and returns their reasons.
func (d *daemon) reasons(recipient string, n int) string {
	d.t.Helper()
	d.wait(fmt.Sprintf("%d decisions on %s", n, recipient), func() bool { return len(d.decisions(recipient)) >= n })
	var reasons []string
	for _, l := range d.decisions(recipient) {
		reasons = append(reasons, l.str("reason"))
	}
	return strings.Join(reasons, " ")
}

// waitLog waits for a line with this message and returns it.
func (d *daemon) waitLog(msg string) (found logLine) {
	d.t.Helper()
	d.wait(fmt.Sprintf("%q in the log", msg), func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, l := range d.lines {
			if l.str("msg") == msg {
				found = l
			}
		}
		return found != nil
	})
	return found
}

// wait waits until a condition, which log lines bring about, holds.
func (d *daemon) wait(what string, holds func() bool) {
	d.t.Helper()
	timeout := time.After(timeout)
	for {
		d.mu.Lock()
		news := d.news
		d.mu.Unlock()
		if holds() {
			return
		}
		select {
		case <-news:
		case <-d.done:
			if !holds() {
				d.t.Fatalf("greyglass ended with status %d; waited for %s\n%s", d.status, what, d.text())
			}
			return
		case <-timeout:
			d.t.Fatalf("timeout waiting for %s\n%s", what, d.text())
		}
	}
}

func (d *daemon) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var b strings.Builder
	for _, l := range d.lines {
		line, _ := json.Marshal(l)
		fmt.Fprintf(&b, "%s\n", line)
	}
	return b.String()
}

// Where the daemon listens, as mail servers write it.
func (d *daemon) milterInet() string { return fmt.Sprintf("inet:127.0.0.1:%d", d.port) }
func (d *daemon) policyInet() string { return fmt.Sprintf("inet:127.0.0.1:%d", d.port+1) }
func (d *daemon) milterUnix() string { return filepath.Join(d.dir, "milter.sock") }
func (d *daemon) policyUnix() string { return filepath.Join(d.dir, "policy.sock") }

// run runs a greyglass command beside the daemon and returns its output and status.
func (d *daemon) run(args ...string) (stdout, stderr string, status int) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, lab.Program(), append(args, "--config", d.config)...)
	cmd.Env = d.cmd.Env
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		d.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}
