package lab

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Instance is a running MTA.
type Instance struct {
	MTA   MTA
	Addr4 string // 127.0.0.1:PORT, for clients with an IPv4 source
	Addr6 string // [::1]:PORT, for clients with an IPv6 source
	Port  int
	Pid   int    // of the daemon; of the last one when stopped
	Dir   string // holds conf, spool, maildir and log

	t       testing.TB
	cmd     *exec.Cmd // nil when stopped
	helpers []io.Closer
}

// flavour is what differs between the MTAs.
type flavour struct {
	// configure writes the configuration and the spool below the instance's
	// folder. It is called again, with the spool in use, for a restart.
	configure func(i *Instance, o Options, w words) error
	// command is the daemon, which stays in the foreground of its session.
	command func(i *Instance) []string
}

var flavours = map[MTA]flavour{
	Postfix:  {configurePostfix, postfixCommand},
	Sendmail: {configureSendmail, sendmailCommand},
	Exim:     {configureExim, eximCommand},
}

// lastPort counts up, below the ports from 32768 on that the kernel gives to
// clients (ip_local_port_range).
var lastPort atomic.Int32

func init() { lastPort.Store(20000) }

func freePort() int {
	for {
		if port := int(lastPort.Add(1)); !listening(port) {
			return port
		}
	}
}

// Start starts an MTA and returns when it listens; it skips or fails t if that
// cannot be. The MTA is stopped when the test ends; its folder is then removed,
// or, when the test failed, kept, and its log printed.
func Start(t testing.TB, mta MTA, o Options) *Instance {
	t.Helper()
	Require(t)
	port := freePort()
	i := &Instance{
		MTA:   mta,
		Port:  port,
		Addr4: fmt.Sprintf("127.0.0.1:%d", port),
		Addr6: fmt.Sprintf("[::1]:%d", port),
		t:     t,
	}
	if !prepared(mta) {
		t.Fatalf("lab: %s is not prepared: name it in TestMain's call of lab.Main", mta)
	}
	var err error
	if i.Dir, err = newRunFolder(string(mta)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		i.Stop()
		if t.Failed() {
			t.Logf("log of %s:\n%s", mta, i.Log())
		}
		dropRunFolder(t, i.Dir)
	})
	if err := i.start(o); err != nil {
		t.Fatal(err)
	}
	return i
}

// Restart stops the MTA and starts it with other options. Port, queue, mailbox and
// log stay.
func (i *Instance) Restart(o Options) {
	i.t.Helper()
	i.Stop()
	if err := i.start(o); err != nil {
		i.t.Fatal(err)
	}
}

func (i *Instance) path(elem ...string) string {
	return filepath.Join(append([]string{i.Dir}, elem...)...)
}

func (i *Instance) start(o Options) error {
	if err := o.check(i.MTA); err != nil {
		return err
	}
	if err := i.layOut(o); err != nil {
		return err
	}
	words := words{
		"RUN": i.Dir, "MTAROOT": rootOf(i.MTA), "LIBPATH": libraryPath(rootOf(i.MTA)),
		"DOMAIN": Domain, "HOSTNAME": Hostname, "PORT": fmt.Sprint(i.Port),
		"UID": fmt.Sprint(mailUID), "GID": fmt.Sprint(mailGID),
		"USER": User, "PASSWORD": Password,
		"TIMEOUT": fmt.Sprint(o.timeoutSeconds()), "LONG_TIMEOUT": fmt.Sprint(3 * o.timeoutSeconds()),
		"SNIPPET": o.Snippet, "EXTRA": o.Extra,
	}
	words["RELAY_HOST"], words["RELAY_PORT"], _ = strings.Cut(o.RelayTo, ":")
	if err := flavours[i.MTA].configure(i, o, words); err != nil {
		return err
	}
	if err := i.startHelpers(o); err != nil {
		return err
	}
	return i.launch()
}

// layOut makes the folders that every MTA has.
func (i *Instance) layOut(o Options) error {
	for _, dir := range []string{"conf/sasl", "spool", "data", "maildir/tmp", "maildir/new", "maildir/cur"} {
		if err := os.MkdirAll(i.path(dir), 0o755); err != nil {
			return err
		}
	}
	for _, dir := range []string{"spool", "data", "maildir", "maildir/tmp", "maildir/new", "maildir/cur"} {
		if err := os.Chown(i.path(dir), mailUID, mailGID); err != nil {
			return err
		}
	}
	if err := writeEtc(i.path("etc"), o, i.MTA); err != nil {
		return err
	}
	return writeServerTLS(i.path("conf"))
}

func (i *Instance) startHelpers(o Options) error {
	log, err := startSyslog(i.path("etc", "log"), i.path("log"))
	if err != nil {
		return err
	}
	i.helpers = append(i.helpers, log)
	if o.Auth && i.MTA != Exim { // Exim looks itself
		sasl, err := startSaslauthd(i.path("conf", "sasl"))
		if err != nil {
			return err
		}
		i.helpers = append(i.helpers, sasl)
	}
	return nil
}

func (i *Instance) launch() error {
	// What the MTA says before it has a log, mostly mistakes in its configuration.
	out, err := os.OpenFile(i.path("out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	args := flavours[i.MTA].command(i)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = i.Dir
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C", "LD_LIBRARY_PATH=" + libraryPath(rootOf(i.MTA))}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := startPrivately(cmd, i.path("etc")); err != nil {
		return fmt.Errorf("lab: start %s: %w", i.MTA, err)
	}
	i.cmd, i.Pid = cmd, cmd.Process.Pid
	up := false
	poll(60*time.Second, func() bool {
		up = listening(i.Port)
		return up || born(i.Pid) == ""
	})
	if !up {
		i.Stop()
		return fmt.Errorf("lab: %s did not come up:\n%s", i.MTA, i.Log())
	}
	return nil
}

// listening reports whether a program listens on the port at both loopback
// addresses. It asks the kernel's table (proc_net(5)), so that no connection
// reaches the MTA and its milter.
func listening(port int) bool {
	for file, host := range map[string]string{
		"/proc/net/tcp":  "0100007F",
		"/proc/net/tcp6": "00000000000000000000000001000000",
	} {
		table, err := os.ReadFile(file)
		// Columns: local address, remote address, state; 0A is LISTEN.
		entry := fmt.Sprintf(" %s:%04X %s:0000 0A ", host, port, strings.Repeat("0", len(host)))
		if err != nil || !strings.Contains(string(table), entry) {
			return false
		}
	}
	return true
}

// Stop ends the MTA and everything it started, such as sessions that Sendmail
// and Exim leave running when their daemon ends. Stopping twice is allowed.
func (i *Instance) Stop() {
	i.t.Helper()
	if i.cmd != nil {
		// The daemon stays a zombie until Wait, so the pid is not reused.
		syscall.Kill(i.Pid, syscall.SIGTERM)
		poll(5*time.Second, func() bool { return born(i.Pid) == "" })
		if i.MTA == Exim { // whose deliveries outlive it; one that is cut short is done twice
			poll(5*time.Second, func() bool { return len(processesOf(i.Dir)) == 0 })
		}
		if err := killAll(i.Dir); err != nil {
			i.t.Error(err)
		}
		i.cmd.Wait() // how it ended does not matter
		i.cmd = nil
	}
	for _, h := range i.helpers {
		h.Close()
	}
	i.helpers = nil
}
