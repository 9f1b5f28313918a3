package mx

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"greyglass/e2e/lab"
)

// testTimeout bounds every wait.
const testTimeout = time.Minute

// settings are those of every daemon here. The clients' machine is this one. A disk
// that is busy with others' tests may take seconds for a commit; that is no outage.
const settings = `
[listen]
milter = ["inet:127.0.0.1:%[2]d"]
policy = ["inet:127.0.0.1:%[3]d"]
[store]
url = "%[4]s"
on_error = "defer"
timeout = "10s"
password_file = "%[1]s/password"
[rules]
accept_loopback = false
[blocked]
senders_file = ""
exceptions_file = ""
[log]
format = "json"
[greylist]
%[5]s
`

// quick are windows for tests, in seconds.
const quick = "too_soon = 1\nmin_defer_time = 2\nmax_defer_time = 600\n"

// password is that of the daemons' role.
const password = "correct horse"

// database starts a PostgreSQL with a role and a database for the daemons, as
// contrib/postgres/roles.sql makes them.
func database(t *testing.T) *lab.Database {
	t.Helper()
	lab.Require(t)
	d := lab.StartDatabase(t)
	d.SQL("postgres", "CREATE ROLE greyglass LOGIN PASSWORD '"+password+"'")
	d.SQL("postgres", "CREATE DATABASE greyglass OWNER greyglass ENCODING 'UTF8' TEMPLATE template0")
	return d
}

// urlOf is where daemons find what any of the servers has.
func urlOf(servers ...*lab.Database) string {
	var hosts []string
	for _, s := range servers {
		hosts = append(hosts, fmt.Sprintf("127.0.0.1:%d", s.Port))
	}
	return "postgres://greyglass@" + strings.Join(hosts, ",") + "/greyglass?connect_timeout=1"
}

// daemon is a "greyglass serve", which may be killed and started again.
type daemon struct {
	t     *testing.T
	dir   string
	port  int    // of the milter; that of the policy service is the next
	clock string // the file that says by how many seconds its clock is ahead; empty: it is right
	cmd   *exec.Cmd
	done  chan struct{} // closed when it has ended
}

// lastPort counts up: in the lab's namespace nothing else listens.
var lastPort atomic.Int32

func init() { lastPort.Store(11000) }

// startDaemon starts one, with more lines below [greylist].
func startDaemon(t *testing.T, url string, more ...string) *daemon {
	t.Helper()
	d := newDaemon(t, url, more...)
	d.start()
	return d
}

// newDaemon makes one that is yet to be started.
func newDaemon(t *testing.T, url string, more ...string) *daemon {
	t.Helper()
	d := &daemon{t: t, dir: lab.Dir(t), port: int(lastPort.Add(2))}
	for name, text := range map[string]string{
		"greyglass.toml": fmt.Sprintf(settings, d.dir, d.port, d.port+1, url, quick+strings.Join(more, "\n")),
		"password":       password + "\n",
	} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(d.stop)
	return d
}

// start starts it, and returns when it serves.
func (d *daemon) start() {
	d.t.Helper()
	began := len(d.log())
	out, err := os.OpenFile(filepath.Join(d.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		d.t.Fatal(err)
	}
	defer out.Close()
	d.cmd = d.command("serve")
	d.cmd.Stderr = out
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.done = make(chan struct{})
	go func() { _ = d.cmd.Wait(); close(d.done) }()
	wait(d.t, "the daemon", func() bool { return strings.Contains(d.log()[began:], `"msg":"started"`) })
}

func (d *daemon) command(args ...string) *exec.Cmd {
	cmd := exec.Command(lab.Program(), append(args, "--config", filepath.Join(d.dir, "greyglass.toml"))...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "CHAOS_CLOCK=" + d.clock}
	return cmd
}

// run runs a command beside the daemon, which must succeed, and returns what it prints.
func (d *daemon) run(args ...string) string {
	d.t.Helper()
	cmd := d.command(args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		d.t.Fatalf("greyglass %v: %v: %s", args, err, errs.String())
	}
	return string(out)
}

// kill ends it as a crash does.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	<-d.done
}

func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(testTimeout):
		d.t.Error("greyglass does not end")
		d.kill()
	}
	if d.t.Failed() {
		log := d.log()
		d.t.Logf("the end of the log of greyglass:\n%s", log[max(0, len(log)-4000):])
	}
}

func (d *daemon) log() string {
	text, _ := os.ReadFile(filepath.Join(d.dir, "log"))
	return string(text)
}

// logLine is a line of the log, as far as it is looked at here.
type logLine struct {
	Time    time.Time `json:"time"`
	Msg     string    `json:"msg"`
	Level   string    `json:"level"`
	Verdict string    `json:"verdict"`
	Reason  string    `json:"reason"`
	QueueID string    `json:"queue_id"`
	Error   string    `json:"error"`
}

func (d *daemon) lines() (lines []logLine) {
	scanner := bufio.NewScanner(strings.NewReader(d.log()))
	for scanner.Scan() {
		var l logLine
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			continue // cut short by a kill
		}
		lines = append(lines, l)
	}
	return lines
}

// count is how many lines of the log have the message.
func (d *daemon) count(msg string) (n int) {
	for _, l := range d.lines() {
		if l.Msg == msg {
			n++
		}
	}
	return n
}

func (d *daemon) milter() string { return fmt.Sprintf("inet:127.0.0.1:%d", d.port) }
func (d *daemon) policy() string { return fmt.Sprintf("127.0.0.1:%d", d.port+1) }

// wait waits until a condition holds.
func wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > testTimeout {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
