package sqlite

import (
	"encoding/binary"
	"math"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// cache has copies of passed entries and of clients' rows, so that most updates that write
// nothing need no look-up in the database. It is exact: its entries are those of the database
// in the state that its stamp names, and find answers only while the database is in that state.
// They lack FirstAttempt, on which no decision rests.
//
// The writer's goroutine moves the stamp from one state to the next. When its own commit
// is the only one in between, it replaces what that has changed; otherwise it empties the
// cache. Between the commit and the new stamp find answers nothing.
type cache struct {
	memory []byte // of the slots; outside of Go's heap, whose size sets the collector's pace
	shards []shard
	now    atomic.Pointer[stamp]
	oldest atomic.Int64 // entries that passed before may have been expired

	clients cachedClients
}

// stamp names a state of the database.
type stamp struct {
	index  *walIndex
	header header
}

// current reports whether the database is still in that state.
func (s *stamp) current() bool {
	h, ok := s.index.read()
	return ok && h == s.header
}

// after returns the stamp after our commit of so many pages, if no other commit lies between;
// the same stamp if nothing was committed; else nil.
func (s *stamp) after(pages int) *stamp {
	h, ok := s.index.read()
	if !ok {
		return nil
	}
	if h == s.header {
		return s
	}
	before := s.header.frames()
	if h.salts() != s.header.salts() {
		before = 0 // the commit restarted the log
	}
	if pages == 0 || h.commits() != s.header.commits()+1 || h.frames() != before+uint32(pages) {
		return nil
	}
	return &stamp{s.index, h}
}

// shard has a part of the slots, in buckets: a key is in any slot of its bucket.
type shard struct {
	mu    sync.Mutex
	slots []slot
	used  bool
}

const bucketSize = 8

// slot is an entry. LastSeen equals PassedAt; others are not stored.
type slot struct {
	key                 [12]byte // without the first four bytes, which choose shard and bucket
	firstSeen, passedAt uint32   // passedAt is zero in an empty slot
	deferred, accepted  uint16
}

// newCache makes a cache of so many entries or a few more; nil if there are to be none.
func newCache(entries int) (*cache, error) {
	if entries <= 0 {
		return nil, nil
	}
	c := &cache{shards: make([]shard, 256)}
	buckets := (entries-1)/(bucketSize*len(c.shards)) + 1
	each := buckets * bucketSize
	size := each * len(c.shards) * int(unsafe.Sizeof(slot{}))
	memory, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	c.memory = memory
	all := unsafe.Slice((*slot)(unsafe.Pointer(&memory[0])), each*len(c.shards))
	for i := range c.shards {
		c.shards[i].slots = all[i*each : (i+1)*each]
	}
	return c, nil
}

// close frees the memory. Later calls of find return nothing.
func (c *cache) close() {
	if c == nil {
		return
	}
	c.now.Store(nil)
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.slots = nil
		s.mu.Unlock()
	}
	_ = syscall.Munmap(c.memory)
}

// find reads the entry of the key, and reports whether the cache has it.
func (c *cache) find(k backend.Key, into *greylist.Entry) bool {
	at := c.stamp()
	return at != nil && c.get(k, into) && at.current()
}

// get reads the entry of the key, of whatever state.
func (c *cache) get(k backend.Key, into *greylist.Entry) bool {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.find(k)
	if found == nil || int64(found.passedAt) < c.oldest.Load() {
		return false
	}
	passed := int64(found.passedAt)
	*into = greylist.Entry{FirstSeen: int64(found.firstSeen), LastSeen: passed, PassedAt: passed,
		Deferred: int64(found.deferred), Accepted: int64(found.accepted)}
	return true
}

// size returns how many entries fit.
func (c *cache) size() int { return len(c.memory) / int(unsafe.Sizeof(slot{})) }

// stamp returns the state of the entries; nil: of none.
func (c *cache) stamp() *stamp {
	if c == nil {
		return nil
	}
	return c.now.Load()
}

// put stores an entry that was read from the database after its state was noted.
func (c *cache) put(k backend.Key, e *greylist.Entry, read *stamp) {
	if read == nil || !e.Passed() {
		return
	}
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.now.Load() == read && read.current() { // so the writer has yet to replace what it changes next
		s.set(k, *e)
	}
}

// invalidate makes the next begun empty the cache: the file may have been changed without a
// commit.
func (c *cache) invalidate() {
	if c != nil {
		c.now.Store(nil)
	}
}

// begun must be called when the writer has the database's lock, or no transaction. It
// empties the cache if another connection has changed the database.
func (c *cache) begun(index *walIndex) {
	if c == nil {
		return
	}
	if at := c.now.Load(); at != nil && at.index == index && at.current() {
		return
	}
	c.now.Store(nil)
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		if s.used {
			clear(s.slots)
			s.used = false
		}
		s.mu.Unlock()
	}
	c.oldest.Store(0)
	c.clients.changed(nil, true)
	if h, ok := index.read(); ok {
		c.now.Store(&stamp{index, h})
	}
}

// changes are what a transaction has written and read.
type changes struct {
	triplets       []change
	expiredBefore  int64    // it has removed triplets that passed before
	clients        []string // whose rows it may have written
	clientsExpired bool     // it may have removed clients' rows
}

// change is an entry that a transaction has written or read.
type change struct {
	key   backend.Key
	entry greylist.Entry // zero: removed
}

func (ch *changes) reset() {
	*ch = changes{triplets: ch.triplets[:0], clients: ch.clients[:0]}
}

// committed replaces the entries that the writer has read and written since begun, if
// no other program has committed. pages are those that the writer's commit has written.
func (c *cache) committed(pages int, made *changes) {
	at := c.stamp()
	if at == nil {
		return
	}
	next := at.after(pages)
	if next == nil {
		return
	}
	c.oldest.Store(max(c.oldest.Load(), made.expiredBefore))
	for _, ch := range made.triplets {
		c.set(ch)
	}
	c.clients.changed(made.clients, made.clientsExpired)
	c.now.Store(next)
}

func (c *cache) set(ch change) {
	s := c.shard(ch.key)
	s.mu.Lock()
	s.set(ch.key, ch.entry)
	s.mu.Unlock()
}

func (c *cache) shard(k backend.Key) *shard { return &c.shards[int(k[0])%len(c.shards)] }

// bucket returns the slots where a key may be.
func (s *shard) bucket(k backend.Key) []slot {
	if len(s.slots) == 0 {
		return nil
	}
	i := int(binary.LittleEndian.Uint32(k[:])>>8) % (len(s.slots) / bucketSize) * bucketSize
	return s.slots[i : i+bucketSize]
}

func (s *shard) find(k backend.Key) *slot {
	b := s.bucket(k)
	for i := range b {
		if b[i].passedAt != 0 && b[i].key == [12]byte(k[4:]) {
			return &b[i]
		}
	}
	return nil
}

// set stores the entry in the place of the one that passed first, if the bucket is full.
// It removes an entry that no slot can hold.
func (s *shard) set(k backend.Key, e greylist.Entry) {
	in := s.find(k)
	fits := e.PassedAt > 0 && e.PassedAt <= math.MaxUint32 && e.LastSeen == e.PassedAt &&
		e.FirstSeen >= 0 && e.FirstSeen <= math.MaxUint32 &&
		e.Deferred >= 0 && e.Deferred <= math.MaxUint16 && e.Accepted >= 0 && e.Accepted <= math.MaxUint16
	if !fits {
		if in != nil {
			*in = slot{}
		}
		return
	}
	if in == nil {
		b := s.bucket(k)
		if b == nil {
			return
		}
		in = &b[0]
		for i := range b {
			if b[i].passedAt < in.passedAt {
				in = &b[i]
			}
		}
	}
	s.used = true
	*in = slot{[12]byte(k[4:]), uint32(e.FirstSeen), uint32(e.PassedAt), uint16(e.Deferred), uint16(e.Accepted)}
}
