package sqlite

import (
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// walIndex is the beginning of the -shm file, in shared memory: two copies of a header,
// which every commit changes, by whatever program: first the second, then the first
// (sqlite.org/walformat.html, section 2.1).
type walIndex [2]header

// header is one copy. A state of the database has one header, and no other state has it.
type header [12]uint32

func (h *header) commits() uint32  { return h[2] }                  // it begins again when SQLite recovers the index
func (h *header) frames() uint32   { return h[4] }                  // of the log
func (h *header) salts() [2]uint32 { return [2]uint32{h[8], h[9]} } // they change when the log restarts

func (h *header) load() (now header) {
	for i := range h {
		now[i] = atomic.LoadUint32(&h[i])
	}
	return now
}

// read returns the header. It returns false while a commit changes it, or if the file was
// truncated.
func (x *walIndex) read() (h header, ok bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	h = x[0].load()
	return h, h == x[1].load()
}

// opened are the -shm files that the process has mapped. They stay open until it ends:
// closing one would release SQLite's locks on it (sqlite.org/howtocorrupt.html, section 2.2).
var opened struct {
	sync.Mutex
	files []*os.File
	index map[identity]*walIndex
}

// openIndex maps the index that is at the path. It must be the one that was identified.
func openIndex(path string, which identity) (*walIndex, error) {
	opened.Lock()
	defer opened.Unlock()
	if x := opened.index[which]; x != nil {
		return x, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	opened.files = append(opened.files, f)
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if is := (identity{uint64(st.Dev), st.Ino}); is != which {
		return nil, errBeside
	}
	memory, err := syscall.Mmap(int(f.Fd()), 0, os.Getpagesize(), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, &os.PathError{Op: "mmap", Path: path, Err: err}
	}
	x := (*walIndex)(unsafe.Pointer(&memory[0]))
	if opened.index == nil {
		opened.index = make(map[identity]*walIndex)
	}
	opened.index[which] = x
	return x, nil
}
