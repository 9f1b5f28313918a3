package chaos

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// inNamespace marks a process whose mounts are its own.
const inNamespace = "CHAOS_NAMESPACE"

// enterNamespace gives this process, and those that it starts, mounts of their
// own, by executing the program again. Where it may not, [mountDisk] fails.
func enterNamespace() {
	if os.Geteuid() != 0 || os.Getenv(inNamespace) != "" {
		return
	}
	runtime.LockOSThread() // the thread that unshares is the one that executes
	err := syscall.Unshare(syscall.CLONE_NEWNS)
	if err == nil {
		err = syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	}
	if err == nil {
		_ = os.Setenv(inNamespace, "1")
		err = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, "chaos: no mounts of its own:", err)
}

// mountDisk lays a file system of so many bytes over a folder.
func mountDisk(dir string, size int) (unmount func(), err error) {
	if os.Getenv(inNamespace) == "" {
		return nil, errors.New("not root, or not allowed to mount")
	}
	if err := syscall.Mount("chaos", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=755", size)); err != nil {
		return nil, fmt.Errorf("mount a tmpfs: %w", err)
	}
	return func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }, nil
}

// remount makes the disk read-only, or not any longer. The kernel refuses the
// former while a file is open for writing.
func remount(dir string, readOnly bool) error {
	flags := uintptr(syscall.MS_REMOUNT)
	if readOnly {
		flags |= syscall.MS_RDONLY
	}
	return syscall.Mount("", dir, "", flags, "")
}

// limitFiles sets how large files may become that the process writes
// (RLIMIT_FSIZE, getrlimit(2)).
func limitFiles(pid int, bytes uint64) error {
	limit := [2]uint64{bytes, ^uint64(0)}
	_, _, errno := syscall.Syscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_FSIZE,
		uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("prlimit: %w", errno)
	}
	return nil
}
