package lab

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

//go:embed machine.sh
var machineScript string

// Machine is a throw-away Debian that runs under systemd, without a network but
// its own loopback interface, to which the documentation addresses belong.
type Machine struct {
	t    testing.TB
	dir  string
	init string // the process number of its systemd, as seen from here
	boot *exec.Cmd
	says bytes.Buffer // what came before systemd's journal
}

// Boot starts a machine, and ends it when the test does.
func Boot(t testing.TB, d Debian) *Machine {
	t.Helper()
	groups, err := cgroup2()
	SkipOrFail(t, err)
	dir, err := newRunFolder("machine")
	if err != nil {
		t.Fatal(err)
	}
	m := &Machine{t: t, dir: dir}
	m.boot = exec.Command("sh", "-c", machineScript, "sh", d.path(), dir, cgroupOf(groups, dir))
	m.boot.Stdout, m.boot.Stderr = &m.says, &m.says
	if err := m.boot.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.end)
	if !poll(time.Minute, m.findInit) {
		_ = m.boot.Process.Kill()
		_ = m.boot.Wait() // it says nothing more
		SkipOrFail(t, unavailable(fmt.Errorf("a machine cannot be started: %s", lastLine(m.says.String()))))
	}
	if !poll(2*time.Minute, m.up) {
		t.Fatalf("the machine does not come up: %s%s", m.says.String(), m.Try("systemctl is-system-running; systemctl list-jobs; systemctl --failed").Output)
	}
	for _, network := range documentation {
		if !strings.Contains(network, ":") {
			m.Run("ip route add local " + network + " dev lo")
		}
	}
	return m
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// cgroup2 returns where the hierarchy of version 2 is mounted; systemd needs one.
func cgroup2() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			return f[1], nil
		}
	}
	return "", unavailable(errors.Join(errors.New("no cgroup2 file system is mounted"), err))
}

func cgroupOf(groups, dir string) string {
	return filepath.Join(groups, "greyglass-"+filepath.Base(dir))
}

// removeCgroup removes what a machine, whose processes have ended, has made of cgroups.
func removeCgroup(dir string) {
	groups, err := cgroup2()
	if err != nil {
		return
	}
	poll(10*time.Second, func() bool { // it can be removed once the kernel has cleared up after them
		_ = exec.Command("find", cgroupOf(groups, dir), "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").Run()
		_, err := os.Stat(cgroupOf(groups, dir))
		return errors.Is(err, os.ErrNotExist)
	})
}

// findInit finds the first process of the machine, once that is systemd.
func (m *Machine) findInit() bool {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", m.boot.Process.Pid))
	m.init = strings.TrimSpace(string(children))
	name, err := os.ReadFile("/proc/" + m.init + "/comm")
	return err == nil && m.init != "" && strings.HasPrefix(string(name), "systemd")
}

func (m *Machine) up() bool {
	state := strings.TrimSpace(m.Try("systemctl is-system-running").Output)
	return state == "running" || state == "degraded"
}

// Result is what a command has done.
type Result struct {
	Command string
	Output  string // both streams
	Status  int
}

// Try runs a shell command in the machine, as root in its home folder.
func (m *Machine) Try(command string) Result {
	cmd := exec.Command("nsenter", "-t", m.init, "-a", "--", "/usr/bin/env", "-i",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root", "DEBIAN_FRONTEND=noninteractive",
		"sh", "-c", "cd; "+command)
	out, err := cmd.CombinedOutput()
	r := Result{command, string(out), cmd.ProcessState.ExitCode()}
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		m.t.Fatal(err)
	}
	return r
}

// Run runs a command that must go well, and returns what it printed.
func (m *Machine) Run(command string) string {
	m.t.Helper()
	r := m.Try(command)
	if r.Status != 0 {
		m.t.Fatalf("%s: status %d\n%s", command, r.Status, r.Output)
	}
	return r.Output
}

// Path is where a file of the machine is seen from here.
func (m *Machine) Path(name string) string { return filepath.Join("/proc", m.init, "root", name) }

// end ends the machine and everything in it, with its first process.
func (m *Machine) end() {
	if m.t.Failed() {
		m.t.Logf("the machine's journal:\n%s", m.Try("journalctl --no-pager -n 100").Output)
	}
	_ = m.boot.Process.Kill()
	_ = m.boot.Wait()
	if err := killAll(m.dir); err != nil {
		m.t.Error(err)
	}
	removeCgroup(m.dir)
	dropRunFolder(m.t, m.dir)
}
