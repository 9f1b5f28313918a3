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

// ballast is the size, in octets, of memory that the daemon allocates and never uses, so
// that it is never resident. The collector counts it: it runs when the heap has doubled,
// which is a fifth as often as with the few MB that the daemon keeps (measured with known
// triplets: a seventh less processor time).
const ballast = 8 << 20

// setMemoryLimit sets the configured soft limit. If none is configured and GOMEMLIMIT is
// not set, it takes three quarters of the control group's limit, because Go's limit does
// not count the memory of SQLite.
func setMemoryLimit(configured int) {
	limit := int64(configured)
	if limit == 0 && os.Getenv("GOMEMLIMIT") == "" {
		limit = groupMemory("/proc/self/cgroup", "/sys/fs/cgroup") / 4 * 3
	}
	if limit > 0 {
		debug.SetMemoryLimit(limit)
	}
}

// groupMemory returns the memory limit of the process's control group (version 2, see
// cgroups(7)), in octets; 0 for no limit.
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
	for ; ; group = filepath.Dir(group) { // its own limit, and those of its parents
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
	returnEvery = 3 * time.Second
	returnFrom  = 32 << 20 // octets
)

// returnMemory returns memory to the system once a flood is over. The runtime by
// itself collects the flood's garbage when that has doubled again, or after two
// minutes, and keeps some of its memory.
func returnMemory(ctx context.Context) {
	tick := time.NewTicker(returnEvery)
	defer tick.Stop()
	kept := readHeap()
	for last := kept; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := readHeap()
		quiet := now.collections == last.collections
		if now.size() > kept.size()+returnFrom && (quiet || now.free > now.objects) {
			debug.FreeOSMemory()
			now = readHeap()
			kept = now
		} else if now.size() < kept.size() {
			kept = now
		}
		last = now
	}
}

// heap is what the runtime has of the system for objects, in octets.
type heap struct{ objects, free, collections uint64 }

func (h heap) size() uint64 { return h.objects + h.free }

func readHeap() heap {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(s)
	return heap{s[0].Value.Uint64(), s[1].Value.Uint64() + s[2].Value.Uint64(), s[3].Value.Uint64()}
}
