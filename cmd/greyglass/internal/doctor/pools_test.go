package doctor

import (
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"testing"
	"time"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/greylist"
	"greyglass/sqlstore"
)

// tried is a waiting triplet, with one attempt.
func tried(at int64, client, sender, recipient string) greylist.Record {
	return greylist.Record{Triplet: greylist.Triplet{Client: client, Sender: sender, Recipient: recipient},
		Entry: greylist.Entry{FirstSeen: at, LastSeen: at, Deferred: 1}}
}

// triedByPool is one attempt after the other, each from another address.
func triedByPool(n int, apart int64, sender, recipient string) (all []greylist.Record) {
	for i := range n {
		all = append(all, tried(1000+int64(i)*apart, fmt.Sprintf("192.0.2.%d", i), sender, recipient))
	}
	return all
}

func each(records []greylist.Record) iter.Seq2[greylist.Record, error] {
	return func(yield func(greylist.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func TestPoolsIn(t *testing.T) {
	const bob = "bob@example.org"
	pool := triedByPool(15, 900, "ann@example.net", bob)
	passed := tried(20000, "198.51.100.1", "ann@example.net", bob)
	passed.PassedAt = 20000
	var bots, lists []greylist.Record
	for i := range 20 {
		bots = append(bots, tried(1000+int64(i)*900, fmt.Sprintf("198.51.100.%d", i), fmt.Sprintf("%c@example.net", 'a'+i), bob))
		lists = append(lists, tried(1000+int64(i)*900, fmt.Sprintf("198.51.100.%d", i%5), fmt.Sprintf("list-return-%d-bob=example.org@lists.example", i), bob))
	}
	for _, c := range []struct {
		name    string
		records []greylist.Record
		since   int64
		want    string // domain, attempts, addresses, seconds
	}{
		{"a pool", pool, 0, "[example.net 15 15 12600]"},
		{"long ago", pool, 1_000_000, "[]"},
		{"too few addresses", triedByPool(3, 3600, "ann@example.net", bob), 0, "[]"},
		{"for a shorter time than one waits", triedByPool(15, 200, "ann@example.net", bob), 0, "[]"},
		{"passed at last", append(pool, passed), 0, "[]"},
		{"another message passed", append(triedByPool(4, 3600, "joe@example.net", bob), passed), 0, "[example.net 4 4 10800]"},
		{"two messages", append(triedByPool(8, 3600, "joe@example.net", bob), pool...), 0, "[example.net 23 15 25200]"},
		{"many senders of a domain", bots, 0, "[]"},
		{"a list", lists, 0, "[lists.example 20 5 17100]"},
		{"null sender", triedByPool(15, 900, "<>", bob), 0, "[]"},
		{"the worst first", append(triedByPool(5, 3600, "a@example.com", bob), pool...), 0, "[example.net 15 15 12600 example.com 5 5 14400]"},
	} {
		pools, err := poolsIn(each(c.records), c.since, 3600)
		got := []any{}
		for _, p := range pools {
			got = append(got, p.domain, p.attempts, len(p.clients), p.last-p.first)
		}
		if fmt.Sprint(got) != c.want || err != nil {
			t.Errorf("%s: %v %v, want %s", c.name, got, err, c.want)
		}
	}
	failed := errors.New("failed")
	if _, err := poolsIn(func(yield func(greylist.Record, error) bool) { yield(greylist.Record{}, failed) }, 0, 3600); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
}

func TestPools(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "greyglass.db")
	store, err := sqlstore.Open(t.Context(), url, sqlstore.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(config.Source{Set: []string{"store.url=" + url}})
	if err != nil {
		t.Fatal(err)
	}
	s := Subject{Loaded: loaded, Machine: ThisMachine()}
	s.Machine.Now = func() time.Time { return time.Unix(20000, 0) }
	wantProblems(t, examine(t, s, checkDatabase, checkPools))

	for _, r := range triedByPool(15, 900, "ann@example.net", "bob@example.org") {
		if _, err := store.Update(t.Context(), []greylist.Triplet{r.Triplet}, func([]*greylist.Entry) greylist.Decision {
			return greylist.Decision{Remember: r.Entry}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	wantProblems(t, examine(t, s, checkDatabase, checkPools),
		"warn: mail from example.net was tried 15 times from 15 addresses within 3h30m0s, and never passed")
	wantProblems(t, examine(t, s, checkPools), "warn: not checked")

	for identity, want := range map[string]string{
		"address":  `set greylist.profile = "gentle" or greylist.client_identity = "provider"; or write a [[rule]] with when = 'spf == "pass" && sender_domain == "example.net"' and then = "accept"; and reload Greyglass`,
		"provider": "", // a rule would let in all that forge the domain
	} {
		if s.Loaded, err = config.Load(config.Source{Set: []string{"store.url=" + url, "greylist.client_identity=" + identity}}); err != nil {
			t.Fatal(err)
		}
		if got := examine(t, s, checkDatabase, checkPools); got[len(got)-1].Fix != want {
			t.Errorf("%s: the fix is %s", identity, got[len(got)-1].Fix)
		}
	}
}
