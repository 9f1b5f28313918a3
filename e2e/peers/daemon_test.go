package peers

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"greyglass/e2e/lab"
)

// daemon is a process that answers by the policy protocol.
type daemon struct {
	t      *testing.T
	cmd    *exec.Cmd
	socket string
	log    string // file
	conn   net.Conn
	in     *bufio.Reader
}

// start starts a command and waits for its socket.
func start(t *testing.T, socket string, cmd *exec.Cmd) *daemon {
	t.Helper()
	_ = os.Remove(socket)
	d := &daemon{t: t, cmd: cmd, socket: socket, log: socket + ".log"}
	out, err := os.Create(d.log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if d.conn, err = net.Dial("unix", socket); err == nil {
			d.in = bufio.NewReader(d.conn)
			return d
		}
		if time.Since(began) > 30*time.Second {
			text, _ := os.ReadFile(d.log)
			t.Fatalf("%s does not answer: %v\n%s", cmd, err, text)
		}
	}
}

// stop ends the process and waits for that. The signal is sent again while the process
// runs: Perl runs a handler between two steps of the program, so a signal that comes just
// before select(2) is not seen until the next one interrupts it.
func (d *daemon) stop() {
	d.t.Helper()
	_ = d.conn.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.cmd.Wait() // Perl programs end with any status
	}()
	for range 30 {
		if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			d.t.Fatal(err)
		}
		select {
		case <-ended:
			return
		case <-time.After(2 * time.Second):
		}
	}
	text, _ := os.ReadFile(d.log)
	d.t.Fatalf("%s does not end\n%s", d.cmd, text)
}

// accepts asks about a triplet at RCPT, or for the null sender at DATA; extra are more
// attributes.
func (d *daemon) accepts(t triplet, extra ...string) bool {
	d.t.Helper()
	state := "RCPT"
	if t.sender == "" {
		state = "DATA"
	}
	request := fmt.Sprintf("request=smtpd_access_policy\nprotocol_state=%s\nprotocol_name=ESMTP\nclient_address=%s\nclient_name=unknown\nsender=%s\nrecipient=%s\n",
		state, t.client, t.sender, t.recipient)
	for _, attribute := range extra {
		request += attribute + "\n"
	}
	request += "\n"
	if _, err := d.conn.Write([]byte(request)); err != nil {
		d.t.Fatal(err)
	}
	_ = d.conn.SetReadDeadline(time.Now().Add(time.Minute))
	line, err := d.in.ReadString('\n')
	if err == nil {
		_, err = d.in.ReadString('\n')
	}
	action, ok := strings.CutPrefix(strings.ToLower(line), "action=")
	if err != nil || !ok {
		d.t.Fatalf("%s answered %q, %v", d.cmd, line, err)
	}
	return strings.HasPrefix(action, "dunno") || strings.HasPrefix(action, "prepend")
}

// site is a folder with a configuration of the program.
type site struct {
	t                    *testing.T
	dir, config, sockets string
}

// newSite writes a configuration: more are lines of it, by section.
func newSite(t *testing.T, greylist, learn string) *site {
	t.Helper()
	dir := lab.Dir(t)
	s := &site{t: t, dir: dir, config: filepath.Join(dir, "greyglass.toml"), sockets: filepath.Join(dir, "gg.sock")}
	text := fmt.Sprintf("[listen]\nmilter = []\npolicy = [%q]\n[store]\nurl = %q\n[blocked]\nsenders_file = \"\"\nexceptions_file = \"\"\n[greylist]\n%s\n%s\n",
		"unix:"+s.sockets, "sqlite:"+filepath.Join(dir, "gg.db"), greylist, learn)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) start() *daemon {
	s.t.Helper()
	return start(s.t, s.sockets, exec.Command(lab.Program(), "serve", "--config", s.config))
}

// run runs a command of the program, with the programs of BerkeleyDB in its path.
func (s *site) run(args ...string) string {
	s.t.Helper()
	cmd := exec.Command(lab.Program(), append(args, "--config", s.config)...)
	tool := lab.Command(lab.BerkeleyDB)
	cmd.Env = append(tool.Env, "PATH="+filepath.Dir(tool.Path)+":"+os.Getenv("PATH"))
	var complaints strings.Builder // and progress
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("greyglass %s: %v\n%s%s", strings.Join(args, " "), err, out, complaints.String())
	}
	return string(out)
}

// peerHome makes a folder for a peer's files, in memory where that can be: the peers sync
// each answer.
func peerHome(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "greyglass-peer-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
