package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// setMemoryLimit makes the configured soft limit hold or, where none is configured
// and GOMEMLIMIT is not set, three quarters of what the control group allows: what
// SQLite takes is not counted by Go's limit.
func setMemoryLimit(configured int) {
	limit := int64(configured)
	if limit == 0 && os.Getenv("GOMEMLIMIT") == "" {
		limit = groupMemory("/proc/self/cgroup", "/sys/fs/cgroup") / 4 * 3
	}
	if limit > 0 {
		debug.SetMemoryLimit(limit)
	}
}

// groupMemory returns how many octets the control group of the process may take,
// as version 2 of control groups has it (cgroups(7)); 0 for no limit.
func groupMemory(self, root string) (least int64) {
	text, err := os.ReadFile(self)
	if err != nil {
		return 0
	}
	_, group, found := strings.Cut(string(text), "0::")
	if !found {
		return 0
	}
	group, _, _ = strings.Cut(group, "\n")
	for ; ; group = filepath.Dir(group) { // the group's own limit, and those of the groups that it is in
		max, err := os.ReadFile(filepath.Join(root, group, "memory.max"))
		if n, parseErr := strconv.ParseInt(strings.TrimSpace(string(max)), 10, 64); err == nil && parseErr == nil && (least == 0 || n < least) {
			least = n
		}
		if group == "/" || group == "." {
			return least
		}
	}
}

const (
	returnEvery = 10 * time.Second
	returnFrom  = 32 << 20 // octets
)

// returnMemory gives memory back to the system once a flood is over and its garbage
// is collected, which takes two minutes at most: the runtime by itself keeps some.
func returnMemory(ctx context.Context) {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	tick := time.NewTicker(returnEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(heap)
		if free := heap[0].Value.Uint64() + heap[1].Value.Uint64(); free > max(returnFrom, heap[2].Value.Uint64()) {
			debug.FreeOSMemory()
		}
	}
}
