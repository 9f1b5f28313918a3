package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// socketUnits are the sockets that systemd listens on, whatever becomes of the
// daemon: one for mail servers by the milter protocol, one by policy.
type socketUnits struct {
	files  []*os.File
	policy string // TCP address
}

func (s *site) socketUnits() *socketUnits {
	s.t.Helper()
	u := &socketUnits{}
	unix, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.path("milter.sock"), Net: "unix"})
	if err != nil {
		s.t.Fatal(err)
	}
	tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		s.t.Fatal(err)
	}
	u.policy = tcp.Addr().String()
	for _, l := range []interface {
		net.Listener
		File() (*os.File, error)
	}{unix, tcp} {
		f, err := l.File()
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { _ = f.Close(); _ = l.Close() })
		u.files = append(u.files, f)
	}
	return u
}

// activate starts the daemon as systemd does, with the sockets as sd_listen_fds(3)
// says, and waits until it serves.
func (s *site) activate(u *socketUnits) *process {
	s.t.Helper()
	cmd := s.command(context.Background(), "serve")
	// The shell knows its process number, and the daemon will have the same.
	shell := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)...)
	shell.Dir, shell.Env = cmd.Dir, append(cmd.Env, "LISTEN_FDS=2", "LISTEN_FDNAMES=milter:policy")
	shell.ExtraFiles = u.files
	p := s.startCommand(shell)
	p.wait("started")
	s.t.Cleanup(p.stop)
	return p
}

// A restart under load, with sockets that systemd holds, refuses no connection, and
// leaves no command without its answer that came in time.
func TestRestartWithSocketActivation(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"listen.milter": quoted("systemd:milter"), "listen.policy": quoted("systemd:policy")})
	units := s.socketUnits()
	daemon := s.activate(units)
	servers := s.load(units.policy, 16)
	type restart struct{ told, stopping time.Time }
	var restarts []restart
	for range 3 {
		n := servers.answered()
		eventually(t, "mail servers are answered", func() bool { return servers.answered() > n+200 })
		r := restart{told: time.Now()}
		daemon.signal(syscall.SIGTERM)
		daemon.wait(`"stopping"`)
		r.stopping = time.Now()
		restarts = append(restarts, r)
		<-daemon.done
		if took := time.Since(r.told); took > shutdownLimit {
			t.Errorf("it took %v to end", took)
		}
		if status := daemon.cmd.ProcessState.ExitCode(); status != 0 {
			t.Errorf("status %d", status)
		}
		daemon = s.activate(units)
	}
	n := servers.answered()
	eventually(t, "mail servers are answered", func() bool { return servers.answered() > n+200 })
	servers.end()

	// A daemon that stops hears out those whom it has let in, for shutdownGrace. It
	// then closes connections that a mail server keeps open, as this load does;
	// half of that is the slack for busy machines.
	for _, w := range servers.troubles {
		heldOver := false
		for _, r := range restarts {
			const slack = shutdownGrace / 2
			heldOver = heldOver || !w.asked.Before(r.told.Add(slack)) && w.dialed.Before(r.stopping.Add(slack)) && w.asked.Before(r.told.Add(shutdownLimit))
		}
		if !heldOver || w.asked.IsZero() {
			t.Errorf("%v, with restarts at %v", w, restarts)
		}
	}
	servers.isRemembered(t)
}
