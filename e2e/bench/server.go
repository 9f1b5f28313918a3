package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"greyglass/e2e/lab"
)

// server is a process that is measured.
type server struct {
	socket string // of unix
	cmd    *exec.Cmd
	ended  chan error    // holds one
	upIn   time.Duration // from its start to its first answer

	pageAt       string        // where its web page is searched; empty: it is not
	beside       []*server     // that share its load
	database     *lab.Database // that it uses; nil: none of its own process
	inDatabase   time.Duration // processor time that the database has used for it
	transactions int           // for which it did
}

// start starts a program, whose output goes to a file, and waits until its socket
// answers.
func start(socket, log string, cmd *exec.Cmd) (*server, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	s := &server{socket: socket, cmd: cmd, ended: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = out, out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.ended <- cmd.Wait() }()
	for {
		if c, err := net.Dial("unix", socket); err == nil {
			s.upIn = time.Since(began)
			return s, c.Close()
		}
		select {
		case err := <-s.ended:
			text, _ := os.ReadFile(log)
			return nil, fmt.Errorf("%s ended: %v\n%s", cmd, err, text)
		case <-time.After(time.Millisecond):
		}
		if time.Since(began) > 30*time.Second {
			return nil, errors.Join(fmt.Errorf("%s does not answer", cmd), s.stop())
		}
	}
}

// timerSlack is how late timers of the daemon may be (TimerSlackNSec= of its systemd unit).
const timerSlack = time.Millisecond

// startWithSlack is start with that timer slack, which a process takes from the thread that
// starts it (PR_SET_TIMERSLACK of prctl(2)).
func startWithSlack(socket, log string, cmd *exec.Cmd) (s *server, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack.Nanoseconds()), 0, 0, 0); err != nil {
		return nil, fmt.Errorf("setting the timer slack: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0)) }() // to what it was
	return start(socket, log, cmd)
}

func (s *server) stop() error {
	var err error
	for _, other := range s.beside {
		err = errors.Join(err, other.stop())
	}
	return errors.Join(err, s.end())
}

func (s *server) end() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
		return nil
	case <-time.After(20 * time.Second):
		return errors.Join(fmt.Errorf("%s does not end", s.cmd), s.cmd.Process.Kill())
	}
}

// cpu returns how much processor time the process has used (proc(5)), to 10 ms.
func (s *server) cpu() (time.Duration, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), "stat"))
	if err != nil {
		return 0, err
	}
	rest := text[bytes.LastIndexByte(text, ')')+1:] // behind the name, which may hold anything
	fields := strings.Fields(string(rest))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/…/stat is %q", text)
	}
	var ticks time.Duration
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond, nil // USER_HZ is 100
}

// resident returns how much memory the process has, in bytes.
func (s *server) resident() (int64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kB, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kB << 10, err
		}
	}
	return 0, errors.New("/proc/…/status has no VmRSS")
}

// settle waits until the process has had nothing to do three times so long, for a while at most.
func (s *server) settle(quiet, limit time.Duration) {
	last, _ := s.cpu()
	for began, calm := time.Now(), 0; time.Since(began) < limit && calm < 3; {
		time.Sleep(quiet)
		now, _ := s.cpu()
		if calm++; now != last {
			calm = 0
		}
		last = now
	}
}
