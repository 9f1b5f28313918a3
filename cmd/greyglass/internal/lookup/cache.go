package lookup

import (
	"container/list"
	"sync"
	"time"
)

// OctetsPerEntry times the number of entries bounds the memory of the cache.
const OctetsPerEntry = 512

// entryOverhead is about what an entry takes without its key and value.
const entryOverhead = 240

// cache is an LRU cache whose entries expire.
type cache struct {
	maxEntries, maxOctets int

	mu      sync.Mutex
	entries map[string]*list.Element
	recent  *list.List // of *entry, the most recently used first
	octets  int
}

type entry struct {
	key     string
	value   any
	octets  int
	expires time.Time
}

func newCache(entries int) *cache {
	return &cache{maxEntries: entries, maxOctets: entries * OctetsPerEntry,
		entries: make(map[string]*list.Element), recent: list.New()}
}

func (c *cache) get(key string, now time.Time) (any, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.entries[key]
	if !ok {
		return nil, false
	}
	e := at.Value.(*entry)
	if !now.Before(e.expires) {
		c.remove(at)
		return nil, false
	}
	c.recent.MoveToFront(at)
	return e.value, true
}

// put adds a value of so many octets.
func (c *cache) put(key string, value any, octets int, expires time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.entries[key]; ok {
		c.remove(at)
	}
	e := &entry{key, value, octets + len(key) + entryOverhead, expires}
	c.entries[key] = c.recent.PushFront(e)
	c.octets += e.octets
	for c.recent.Len() > c.maxEntries || c.octets > c.maxOctets {
		c.remove(c.recent.Back())
	}
}

func (c *cache) remove(at *list.Element) {
	e := c.recent.Remove(at).(*entry)
	delete(c.entries, e.key)
	c.octets -= e.octets
}
