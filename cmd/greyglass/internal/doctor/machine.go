package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Machine gives access to the machine. Tests use their own.
type Machine struct {
	Root  string // prefix of every file's path; empty outside tests
	Super bool   // running as root
	Name  string // of the host; perhaps without a domain

	// Run runs a program and returns what it prints. The error wraps
	// exec.ErrNotFound if there is no such program.
	Run func(ctx context.Context, program string, args ...string) (string, error)

	LookUp func(ctx context.Context, host string) ([]string, error) // a host's addresses
	Space  func(folder string) (free, total uint64, err error)      // of its disk, in bytes
	Now    func() time.Time

	Addresses func() []netip.Addr // of its interfaces
}

// ThisMachine is the machine that the program runs on.
func ThisMachine() Machine {
	name, _ := os.Hostname() // without one, it is not found by its name
	return Machine{Super: os.Geteuid() == 0, Name: name, Run: run, LookUp: net.DefaultResolver.LookupHost, Space: space, Now: time.Now, Addresses: addresses}
}

// addresses returns the addresses of the machine's interfaces.
func addresses() (all []netip.Addr) {
	interfaces, _ := net.InterfaceAddrs()
	for _, a := range interfaces {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, p.Addr())
		}
	}
	return all
}

func (m Machine) path(name string) string { return filepath.Join("/", m.Root, name) }

func (m Machine) readFile(name string) (string, error) {
	text, err := os.ReadFile(m.path(name))
	return string(text), err
}

// programTimeout is how long a mail server's program may take to print its
// configuration. Postfix's waits for 2 s if main.cf was just changed.
const programTimeout = 30 * time.Second

func run(ctx context.Context, program string, args ...string) (string, error) {
	path, err := find(program)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, programTimeout)
	defer cancel()
	var complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stderr = &complaint
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(complaint.String()), "\n")
		return "", fmt.Errorf("%s: %w: %s", program, err, lines[0])
	}
	return string(out), nil
}

// find finds a program, also in the sbin folders, which may not be in PATH.
func find(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err == nil {
		return path, nil
	}
	for _, folder := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(folder, program)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", program, exec.ErrNotFound)
}

func notInstalled(err error) bool { return errors.Is(err, exec.ErrNotFound) }

func space(folder string) (free, total uint64, err error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(folder, &fs); err != nil {
		return 0, 0, err
	}
	size := uint64(fs.Bsize)
	return uint64(fs.Bavail) * size, fs.Blocks * size, nil
}
