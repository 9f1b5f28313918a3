package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"syscall"
)

// netnsEnv marks a process that is in the lab's network namespace: its value
// is the namespace's name, so that a stray variable is not believed.
const netnsEnv = "GREYGLASS_LAB_NETNS"

// documentation lists the ranges for documentation: RFC 5737, RFC 3849.
var documentation = []string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"}

// checkNamespaces returns an error unless this process may make network,
// mount and UTS namespaces: it needs root's capability CAP_SYS_ADMIN.
func checkNamespaces() error {
	if os.Geteuid() != 0 {
		return errors.New("must run as root")
	}
	err := onOwnThread(func() error {
		return syscall.Unshare(syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS)
	})
	if err != nil {
		return fmt.Errorf("may not make namespaces: %w", err)
	}
	return nil
}

// EnterNetns moves the whole process into a network namespace of its own that
// has nothing but a loopback interface, on which every address of the ranges
// reserved for documentation is local:
//
//	192.0.2.0/24  198.51.100.0/24  203.0.113.0/24  2001:db8::/32
//
// A client may bind to any of them, nothing in it reaches a network, and no
// port is taken by others. It does so by executing the program again in its
// own place (the same process, so that signals and the exit code need no
// handing through) and therefore is called first thing in TestMain, after
// Prepare, which needs the network. In the second run it returns nil at once.
// The error wraps ErrUnavailable where the kernel refuses.
func EnterNetns() error {
	if InNetns() {
		return nil
	}
	exe, err := os.Executable()
	if err != nil {
		return unavailable(err)
	}
	// The thread that unshares is the one that executes; it is not unlocked on
	// failure, for it would be in another network than the other threads.
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		return unavailable(fmt.Errorf("network namespace: %w", err))
	}
	if err := setUpNetwork(); err != nil {
		return unavailable(err)
	}
	name, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return unavailable(err)
	}
	if err := os.Setenv(netnsEnv, name); err != nil {
		return err
	}
	return fmt.Errorf("lab: executing %s again: %w", exe, syscall.Exec(exe, os.Args, os.Environ()))
}

// InNetns tells whether this process is in a network namespace that
// EnterNetns made.
func InNetns() bool {
	name, err := os.Readlink("/proc/self/ns/net")
	return err == nil && name == os.Getenv(netnsEnv)
}

func setUpNetwork() error {
	n, err := openNetlink()
	if err != nil {
		return err
	}
	defer n.close()
	if err := n.loopbackUp(); err != nil {
		return err
	}
	for _, net := range documentation {
		if err := n.addLocal(netip.MustParsePrefix(net)); err != nil {
			return err
		}
	}
	// IPv6 otherwise lets a program bind to configured addresses only, a route
	// does not suffice (ip-sysctl: ip_nonlocal_bind).
	return os.WriteFile("/proc/sys/net/ipv6/ip_nonlocal_bind", []byte("1\n"), 0o644)
}
