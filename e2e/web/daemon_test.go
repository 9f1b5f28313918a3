package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"greyglass/e2e/browse"
	"greyglass/e2e/build"
	"greyglass/e2e/lab"
	"greyglass/milter/listen"
	"greyglass/milter/policyd"
)

// timeout bounds every wait for something that should come soon.
const timeout = time.Minute

// Users of the page. All have one password.
const (
	operator = "olga"
	looker   = "lars" // may not act
	password = "correct horse battery staple"
)

// settings are the configuration of every daemon here. No retry can pass within a test.
const settings = `
[listen]
milter = ["inet:127.0.0.1:0"]
policy = ["unix:%[1]s/policy.sock"]
http = ""
[store]
url = "sqlite:%[1]s/greyglass.db"
[rules]
accept_loopback = false
[blocked]
senders_file = ""
exceptions_file = ""
[log]
format = "json"
[web]
listen = "127.0.0.1:0"
users_file = "%[1]s/users"
operators = ["olga"]
`

// daemon is a running "greyglass serve".
type daemon struct {
	t      *testing.T
	dir    string
	cmd    *exec.Cmd
	done   chan struct{} // closed when it has ended
	milter string        // as mail servers write it
	page   string        // the URL of the web page, without a slash at the end
}

// newDaemon makes the folder of a daemon, which serves after start.
func newDaemon(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{t: t, dir: lab.Dir(t)}
	d.write("greyglass.toml", fmt.Sprintf(settings, d.dir))
	d.allow(operator, looker)
	return d
}

// allow writes the users file.
func (d *daemon) allow(users ...string) {
	d.t.Helper()
	d.write("users", browse.Users(d.t, password, users...))
}

// write writes a file into the daemon's folder, in the place of the one that was there.
func (d *daemon) write(name, text string) {
	d.t.Helper()
	if err := lab.ReplaceFile(filepath.Join(d.dir, name), text); err != nil {
		d.t.Fatal(err)
	}
}

// start starts the daemon and returns when it serves. It is stopped when the test ends.
func (d *daemon) start() *daemon {
	d.t.Helper()
	d.cmd = exec.Command(lab.Program(), "serve", "--config", filepath.Join(d.dir, "greyglass.toml"))
	d.cmd.Env = append(build.Environ(), "TZ=UTC")
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.done = make(chan struct{})
	bound, started := make(map[string]string), make(chan struct{})
	go func() {
		defer close(d.done)
		scanner := bufio.NewScanner(stderr)
		scanner.Buffer(nil, 1<<20)
		for serves := false; scanner.Scan(); {
			var line struct{ Msg, Via, Bound string }
			_ = json.Unmarshal(scanner.Bytes(), &line)
			switch {
			case serves:
			case line.Msg == "listening":
				bound[line.Via] = line.Bound
			case line.Msg == "started":
				serves = true
				close(started)
			}
		}
		_ = d.cmd.Wait()
	}()
	select {
	case <-started:
	case <-d.done:
		d.t.Fatalf("greyglass ended: %s", d.cmd.ProcessState)
	case <-time.After(timeout):
		d.t.Fatal("greyglass does not start")
	}
	d.milter, d.page = "inet:"+bound["milter"], "http://"+bound["web"]
	d.t.Cleanup(d.stop)
	return d
}

// stop ends the daemon.
func (d *daemon) stop() {
	d.t.Helper()
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(timeout):
		_ = d.cmd.Process.Kill()
		d.t.Error("greyglass did not end")
	}
}

// ask asks about a recipient as Postfix does by its policy protocol, and returns the answer.
func (d *daemon) ask(client, sender, recipient string, more ...string) string {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), timeout)
	defer cancel()
	lines := append([]string{"request=smtpd_access_policy", "protocol_state=RCPT", "client_address=" + client,
		"sender=" + sender, "recipient=" + recipient}, more...)
	at := listen.Address{Network: "unix", Addr: filepath.Join(d.dir, "policy.sock")}
	answer, err := policyd.Ask(ctx, at, strings.Join(lines, "\n")+"\n\n")
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.TrimPrefix(strings.TrimSpace(string(answer)), "action=")
}
