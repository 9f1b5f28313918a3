// Package lookup looks facts up in DNS: SPF, with the provider whose record matched, and
// DNS lists. It also recognizes names that look dynamic.
//
// Every look-up ends with its context, and within the timeout of its [Resolver]. A
// failure has its own status, and never looks like an answer.
package lookup

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/singleflight"

	"greyglass/greylist/rules"
)

// Options are the servers and limits of a [Resolver].
type Options struct {
	Servers      []string         // see ParseServer; none: those of /etc/resolv.conf, as it changes
	Timeout      time.Duration    // of one look-up with all its queries
	CacheEntries int              // see OctetsPerEntry
	Now          func() time.Time // for the cache; nil: time.Now
}

// maxQueries bounds the concurrent queries, each with a socket. Others wait until their
// timeout.
const maxQueries = 512

// Resolver asks recursive DNS servers, and caches their answers. It is safe for
// concurrent use.
type Resolver struct {
	servers func() []string
	timeout time.Duration
	now     func() time.Time
	cache   *cache
	flights singleflight.Group // one query at a time for one question
	send    func(ctx context.Context, network, server string, query *dns.Msg) (*dns.Msg, error)
	slots   chan struct{}          // one value for each query in progress
	last    atomic.Pointer[string] // the server that answered last
	outage  outage
}

// New returns a resolver. Servers must be as [ParseServer] takes them.
func New(o Options) (*Resolver, error) {
	r := &Resolver{
		timeout: o.Timeout,
		now:     o.Now,
		cache:   newCache(o.CacheEntries),
		send:    send,
		slots:   make(chan struct{}, maxQueries),
	}
	if r.now == nil {
		r.now = time.Now
	}
	if len(o.Servers) == 0 {
		r.servers = (&systemServers{file: resolvConf, now: r.now}).list
		return r, nil
	}
	var servers []string
	for _, s := range o.Servers {
		server, err := ParseServer(s)
		if err != nil {
			return nil, fmt.Errorf("lookup: %w", err)
		}
		servers = append(servers, server)
	}
	r.servers = func() []string { return servers }
	return r, nil
}

// question is a DNS question. The name is canonical, see canonicalName.
type question struct {
	name  string
	qtype uint16
}

func (q question) key() string { return dns.TypeToString[q.qtype] + " " + q.name }

// cached returns the answer to a question if it needs no query.
func (r *Resolver) cached(name string, qtype uint16) (answer, bool) {
	name, ok := canonicalName(name)
	if !ok {
		return answer{err: notFound(name), ttl: maxTTL, expires: r.now().Add(maxTTL)}, true
	}
	if a, ok := r.cache.get(question{name, qtype}.key(), r.now()); ok {
		return a.(answer), true
	}
	return answer{}, false
}

// ask returns the answer to a question, from the cache or from a server. Concurrent
// callers share the query, which goes on and fills the cache when the context of one
// ends.
func (r *Resolver) ask(ctx context.Context, name string, qtype uint16) answer {
	if a, ok := r.cached(name, qtype); ok {
		return a
	}
	name, _ = canonicalName(name)
	q := question{name, qtype}
	if ctx.Err() != nil {
		return answer{err: temporary(q, "no time left")}
	}
	shared := r.flights.DoChan(q.key(), func() (any, error) {
		if a, ok := r.cached(name, qtype); ok { // by a query that has ended since
			return a, nil
		}
		return r.query(q), nil
	})
	select {
	case done := <-shared:
		return done.Val.(answer)
	case <-ctx.Done():
		return answer{err: temporary(q, "timed out")}
	}
}

// query asks the servers and caches the answer; a failure for a short time, so that the
// next message does not wait again.
func (r *Resolver) query(q question) (a answer) {
	defer func() {
		if p := recover(); p != nil { // of singleflight's goroutine: it would end the daemon
			a = answer{err: temporary(q, fmt.Sprintf("panic: %v", p))}
		}
		a.expires = r.now().Add(a.ttl)
		r.cache.put(q.key(), a, a.size(), a.expires)
		r.outage.note(q, a, r.now())
	}()
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
	defer cancel()
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return answer{err: temporary(q, "too many queries at one time")}
	}
	m, err := r.exchange(ctx, q)
	if err != nil {
		return answer{err: temporary(q, err.Error()), ttl: failureTTL}
	}
	return readAnswer(m, q)
}

// notFound is the error for a name that has no such records.
func notFound(name string) error {
	return &net.DNSError{Err: "no such record", Name: printable(name), IsNotFound: true}
}

// temporary is the error of a failed look-up.
func temporary(q question, why string) error {
	return &net.DNSError{Err: dns.TypeToString[q.qtype] + " record: " + printable(why), Name: printable(q.name), IsTemporary: true}
}

func isNotFound(err error) bool {
	e, ok := err.(*net.DNSError)
	return ok && e.IsNotFound
}

var _ rules.Lookup = (*Resolver)(nil)
