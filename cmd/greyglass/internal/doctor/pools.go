package doctor

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"greyglass/cmd/greyglass/internal/report"
	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/sqlstore"
)

const (
	// newestRows is how many triplets, the newest, are searched for pools. It bounds the
	// time to about a second.
	newestRows = 200_000

	// lately is how long ago a message was tried at most.
	lately = 7 * 24 * time.Hour

	// mostPools is how many pools are reported.
	mostPools = 5
)

// checkPools looks for large pools of mail servers that are deferred in vain: they retry
// each time from another address, and each address waits by itself. Where clients are known
// by their providers, addresses that wait by themselves are hardly ever those of a pool.
func checkPools(ctx context.Context, v *exam) {
	if !v.readable {
		v.warn("make the database usable first", "not checked, because the database was not read")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	c := v.config
	if v.Loaded.Policy.Identity.Provider {
		v.ok("not checked: clients are known by their providers")
		return
	}
	store, err := sqlstore.Open(ctx, c.Store.URL, sqlstore.Options{PasswordFile: c.Store.PasswordFile, Now: v.Machine.Now})
	if err != nil {
		v.warn("see what 'greyglass list' says", "not checked: %s", err.Error())
		return
	}
	defer store.Close()
	since := v.Machine.Now().Add(-lately).Unix()
	pools, err := poolsIn(store.List(ctx, greylist.Filter{Limit: newestRows}), since, c.Greylist.Windows().MinDeferTime)
	switch {
	case err != nil:
		v.warn("see what 'greyglass list' says", "not checked: %s", err.Error())
	case len(pools) == 0:
		v.ok("none was deferred in vain lately")
	}
	for _, p := range pools[:min(len(pools), mostPools)] {
		v.warn(poolFix(p.domain), "mail from %s was tried %d times from %d addresses within %v, and never passed, because each address waits by itself",
			p.domain, p.attempts, len(p.clients), time.Duration(p.last-p.first)*time.Second)
	}
}

// poolFix says what lets mail of a pool pass.
func poolFix(domain string) string {
	return fmt.Sprintf(`set greylist.profile = "gentle" or greylist.client_identity = "provider"; `+
		`or write a [[rule]] with when = 'spf == "pass" && sender_domain == %q' and then = "accept"; and reload Greyglass`, domain)
}

// pool is the waiting triplets of one message, or of all such of a domain.
type pool struct {
	domain      string // of the sender
	clients     map[string]bool
	attempts    int64
	first, last int64 // Unix seconds
	passed      bool  // a triplet has
}

// poolsIn returns the domains that have sent a message from many clients for longer than
// the wait of one, since a time, in Unix seconds; those with most attempts first.
func poolsIn(records iter.Seq2[greylist.Record, error], since, wait int64) ([]*pool, error) {
	type message struct{ sender, recipient string }
	messages := make(map[message]*pool)
	for r, err := range records {
		if err != nil {
			return nil, err
		}
		sender := address.Normalize(r.Sender)
		_, domain, ok := address.Cut(sender)
		if !ok || r.LastSeen < since {
			continue
		}
		m := message{sender, r.Recipient}
		p := messages[m]
		if p == nil {
			p = &pool{domain: domain, clients: make(map[string]bool), first: r.FirstSeen}
			messages[m] = p
		}
		p.passed = p.passed || r.Passed()
		p.add(r.Deferred, r.FirstSeen, r.LastSeen, r.Client)
	}
	domains := make(map[string]*pool)
	for _, p := range messages {
		if p.passed || len(p.clients) < report.Pooled || p.last-p.first < wait {
			continue
		}
		if all := domains[p.domain]; all != nil {
			all.add(p.attempts, p.first, p.last, slices.Collect(maps.Keys(p.clients))...)
		} else {
			domains[p.domain] = p
		}
	}
	return slices.SortedFunc(maps.Values(domains), func(a, b *pool) int {
		return cmp.Or(cmp.Compare(b.attempts, a.attempts), cmp.Compare(a.domain, b.domain))
	}), nil
}

func (p *pool) add(attempts, first, last int64, clients ...string) {
	for _, client := range clients {
		p.clients[client] = true
	}
	p.attempts += attempts
	p.first, p.last = min(p.first, first), max(p.last, last)
}
