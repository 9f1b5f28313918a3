package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// startPrivately starts cmd in a mount and UTS namespace of its own, in which
// the machine is called Hostname, the files of the folder etc lie over those of
// the same name in /etc, and /dev holds little but a /dev/log that leads to the
// socket etc/log. cmd is to set Setsid and gets no standard input.
//
// The namespaces belong to a thread, not to the process: one thread enters them,
// starts the command, which inherits them, and ends.
func startPrivately(cmd *exec.Cmd, etc string) error {
	return onOwnThread(func() error {
		if err := syscall.Unshare(syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS); err != nil {
			return fmt.Errorf("private namespaces: %w", err)
		}
		// No mount below leaves this namespace (mount_namespaces(7)).
		if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("private mounts: %w", err)
		}
		if err := syscall.Sethostname([]byte(Hostname)); err != nil {
			return fmt.Errorf("host name: %w", err)
		}
		for _, name := range etcFiles {
			if err := bind(filepath.Join(etc, name), "/etc/"+name); err != nil {
				return err
			}
		}
		if err := privateDev(filepath.Join(etc, "dev"), filepath.Join(etc, "log")); err != nil {
			return err
		}
		return cmd.Start()
	})
}

// bind lays file from over file to. A symbolic link (often /etc/resolv.conf)
// stays; what it leads to is covered.
func bind(from, to string) error {
	target, err := filepath.EvalSymlinks(to)
	if err != nil {
		return err
	}
	if err := syscall.Mount(from, target, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s over %s: %w", from, target, err)
	}
	return nil
}

// privateDev builds a /dev in the folder dir and moves it to its place. It is
// the only way to give one process a /dev/log where the machine has none.
func privateDev(dir, logSocket string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount("lab", dir, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount a private /dev: %w", err)
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			return err
		}
		if err := bind("/dev/"+name, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := os.Symlink(logSocket, filepath.Join(dir, "log")); err != nil {
		return err
	}
	if err := syscall.Mount(dir, "/dev", "", syscall.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move the private /dev: %w", err)
	}
	return nil
}

// onOwnThread calls f on a thread that ends with it, so that f may change what
// belongs to the thread. It is never the process's first thread: that one
// stands for the process in /proc/self, and cannot end.
func onOwnThread(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if syscall.Gettid() == os.Getpid() {
			err := onOwnThread(f) // this thread is held meanwhile
			runtime.UnlockOSThread()
			result <- err
			return
		}
		result <- f() // not unlocked: that ends the thread
	}()
	return <-result
}
