package lab

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// born returns when the process began, in clock ticks since boot (field 22 of
// /proc/PID/stat, proc(5)), or "" if there is none or it is a zombie.
func born(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The second field, the command's name in parentheses, may hold spaces.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

// mountsOf has the mounts of each process, by its pid, as /proc/PID/mountinfo lists them.
type mountsOf map[int][]byte

func readMounts() mountsOf {
	entries, _ := filepath.Glob("/proc/[0-9]*/mountinfo")
	all := make(mountsOf)
	for _, path := range entries {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if mounts, e := os.ReadFile(path); err == nil && e == nil { // it fails for zombies
			all[pid] = mounts
		}
	}
	return all
}

// processesOf returns the pids of all processes of the instance in dir, whatever
// session they are in: those whose mount namespace has the instance's own hosts
// file, whose path is like no other, over /etc/hosts; or, of a [Machine], its
// layer of changes.
func (m mountsOf) processesOf(dir string) (pids []int) {
	mark := []byte(filepath.Join("/", filepath.Base(dir), "etc", "hosts") + " /etc/hosts ")
	layer := []byte(",upperdir=" + dir + "/")
	for pid, mounts := range m {
		if bytes.Contains(mounts, mark) || bytes.Contains(mounts, layer) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func processesOf(dir string) []int { return readMounts().processesOf(dir) }

// killAll ends every process of the instance in dir by SIGKILL and returns when
// there is none left.
func killAll(dir string) error {
	var left []int
	ok := poll(20*time.Second, func() bool {
		left = processesOf(dir)
		for _, pid := range left {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		return len(left) == 0
	})
	if !ok {
		return fmt.Errorf("lab: processes %v of %s do not end", left, dir)
	}
	return nil
}

// poll calls done every few milliseconds until it is true or the time is up.
func poll(timeout time.Duration, done func() bool) bool {
	for end := time.Now().Add(timeout); ; time.Sleep(10 * time.Millisecond) {
		if done() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}
