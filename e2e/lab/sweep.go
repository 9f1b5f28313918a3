package lab

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ownerFile, in each folder of run/, names the test process that made it.
const ownerFile = "owner"

// ownIdentity and alive tell whether a process is the one that was found earlier:
// two that had the same pid differ in when they began.
func ownIdentity() string { return fmt.Sprintf("%d %s", os.Getpid(), born(os.Getpid())) }

func alive(identity string) bool {
	pid, began, _ := strings.Cut(identity, " ")
	n, err := strconv.Atoi(pid)
	return err == nil && began != "" && born(n) == began
}

// runFolders returns the folders of run/ with their owners. One without an owner
// is just being made.
func runFolders() (owners map[string]string, err error) {
	entries, err := os.ReadDir(runDir())
	if err != nil {
		return nil, err
	}
	owners = map[string]string{}
	for _, e := range entries {
		dir := filepath.Join(runDir(), e.Name())
		if owner, err := os.ReadFile(filepath.Join(dir, ownerFile)); err == nil && len(owner) > 0 {
			owners[dir] = string(owner)
		}
	}
	return owners, nil
}

// sweep clears up after test processes that were killed: it ends the MTAs that
// they have not ended. Folders of dead processes, kept for a look after a failure,
// go after a day. The caller holds the cache's lock.
func sweep() error {
	owners, err := runFolders()
	if err != nil {
		return err
	}
	running := readMounts() // once: there may be hundreds of folders that were kept
	for dir, owner := range owners {
		if alive(owner) {
			continue
		}
		if len(running.processesOf(dir)) > 0 {
			if err := killAll(dir); err != nil {
				return err
			}
		}
		removeCgroup(dir)
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			os.RemoveAll(dir)
		}
	}
	return nil
}

// endOnSignal lets a signal that ends the test process end its MTAs too: they
// lead sessions of their own, which a terminal's ^C does not reach.
func endOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		s := <-signals
		owners, _ := runFolders()
		for dir, owner := range owners {
			if owner == ownIdentity() {
				killAll(dir)
			}
		}
		os.Exit(128 + int(s.(syscall.Signal))) // as sh(1) counts
	}()
}
