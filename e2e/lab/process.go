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

// processesOf returns the pids of all processes of the instance in dir, whatever
// session they are in: those whose mount namespace has the instance's own hosts
// file, whose path is like no other, over /etc/hosts; or, of a [Machine], its
// layer of changes.
func processesOf(dir string) []int {
	mark := []byte(filepath.Join("/", filepath.Base(dir), "etc", "hosts") + " /etc/hosts ")
	layer := []byte(",upperdir=" + dir + "/")
	entries, _ := filepath.Glob("/proc/[0-9]*/mountinfo")
	var pids []int
	for _, path := range entries {
		mounts, err := os.ReadFile(path) // fails for zombies
		if err != nil || !bytes.Contains(mounts, mark) && !bytes.Contains(mounts, layer) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

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
