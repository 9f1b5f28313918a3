package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// cached reports what the cache alone says of a triplet; nil: nothing.
func cached(s *Store, n int64) *greylist.Entry {
	var e greylist.Entry
	if !s.writer.cache.find(backend.KeyOf(storetest.Numbered(n)), &e) {
		return nil
	}
	return &e
}

// answersAsStored checks that an update is shown what the database has.
func answersAsStored(t *testing.T, s *Store, n int64) {
	t.Helper()
	want, err := s.Get(t.Context(), storetest.Numbered(n))
	if err != nil {
		t.Fatal(err)
	}
	var shown *greylist.Entry
	if _, err := inTime(t, s, n, keep(&shown)); err != nil {
		t.Fatal(err)
	}
	if (shown == nil) != (want == nil) || shown != nil && *shown != *want {
		t.Errorf("an update is shown %+v, stored is %+v", shown, want)
	}
}

// TestCacheShowsOthersChanges: what another program changes is in the very next answer. A
// cache that was emptied is used again.
func TestCacheShowsOthersChanges(t *testing.T) {
	const other = 2
	for name, change := range map[string]func(t *testing.T, s *Store, path string){
		"a DELETE": func(t *testing.T, _ *Store, path string) {
			execute(t, raw(t, path), `DELETE FROM triplet WHERE sender LIKE 'sender1@%'`)
		},
		"an UPDATE": func(t *testing.T, _ *Store, path string) {
			execute(t, raw(t, path), `UPDATE triplet SET passed_at = NULL`)
		},
		"forget": func(t *testing.T, _ *Store, path string) {
			second := open(t, path)
			if _, err := second.Forget(t.Context(), storetest.Numbered(1)); err != nil {
				t.Error(err)
			}
			if err := second.Close(); err != nil {
				t.Error(err)
			}
		},
		"pass": func(t *testing.T, _ *Store, path string) {
			second := open(t, path)
			if err := put(second, 1, entryPassed(999))(); err != nil {
				t.Error(err)
			}
			if err := second.Close(); err != nil {
				t.Error(err)
			}
		},
		"a checkpoint and a DELETE": func(t *testing.T, _ *Store, path string) {
			execute(t, raw(t, path), `PRAGMA wal_checkpoint(TRUNCATE)`, `DELETE FROM triplet WHERE sender LIKE 'sender1@%'`)
		},
		"a rollback": func(t *testing.T, _ *Store, path string) {
			execute(t, raw(t, path), `BEGIN IMMEDIATE`, `DELETE FROM triplet`, `ROLLBACK`)
		},
		"VACUUM": func(t *testing.T, _ *Store, path string) { execute(t, raw(t, path), `VACUUM`) },
		"a DELETE, then a commit of ours": func(t *testing.T, s *Store, path string) {
			execute(t, raw(t, path), `DELETE FROM triplet WHERE sender LIKE 'sender1@%'`)
			if err := put(s, other, entryPassed(11))(); err != nil {
				t.Error(err)
			}
		},
		"ours": func(t *testing.T, s *Store, path string) {
			if err := put(s, 1, entryPassed(12))(); err != nil {
				t.Error(err)
			}
		},
		"our forget": func(t *testing.T, s *Store, path string) {
			if _, err := s.Forget(t.Context(), storetest.Numbered(1)); err != nil {
				t.Error(err)
			}
		},
		"our expiry": func(t *testing.T, s *Store, path string) {
			if n, _, err := s.Expire(t.Context(), greylist.Cutoffs{PassedBefore: cached(s, 1).PassedAt + 1}, 0); err != nil || n != 1 {
				t.Error(n, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openNew(t)
			for round := range 3 {
				e := entryPassed(int64(100 * (round + 1)))
				if err := put(s, 1, e)(); err != nil {
					t.Fatal(err)
				}
				if in := cached(s, 1); in == nil || *in != e {
					t.Fatalf("round %d: the cache has %+v", round, in)
				}
				change(t, s, s.path)
				answersAsStored(t, s, 1)
			}
		})
	}
}

// TestCacheShowsClients: the same of clients' rows, also of the one that there is not.
func TestCacheShowsClients(t *testing.T) {
	const client = "example.net"
	row := greylist.ClientEntry{FirstPassed: 5, CountedAt: 5, Passed: 1, LastSeen: 5}
	for name, change := range map[string]func(t *testing.T, s *Store){
		"a DELETE":  func(t *testing.T, s *Store) { execute(t, raw(t, s.path), `DELETE FROM client`) },
		"an UPDATE": func(t *testing.T, s *Store) { execute(t, raw(t, s.path), `UPDATE client SET passed = passed + 1`) },
		"an INSERT": func(t *testing.T, s *Store) {
			execute(t, raw(t, s.path), `INSERT INTO client SELECT 'new.example', first_passed, counted_at, passed, last_seen FROM client`)
		},
		"ours": func(t *testing.T, s *Store) {
			after := row
			after.Passed++
			writeClient(t, s, greylist.ClientWrite{Client: client, Before: &row, After: after})
		},
		"our new one": func(t *testing.T, s *Store) {
			writeClient(t, s, greylist.ClientWrite{Client: "new.example", After: row})
		},
		"our forget": func(t *testing.T, s *Store) {
			if known, err := s.ForgetClient(t.Context(), client); !known || err != nil {
				t.Error(known, err)
			}
		},
		"our expiry": func(t *testing.T, s *Store) {
			if n, err := s.ExpireClients(t.Context(), row.LastSeen+1); n != 1 || err != nil {
				t.Error(n, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openNew(t)
			writeClient(t, s, greylist.ClientWrite{Client: client, After: row})
			for _, c := range []string{client, "new.example"} {
				before, err := s.Client(t.Context(), c)
				if err != nil || (before != nil) != (c == client) {
					t.Fatal(before, err)
				}
				if e, known := s.writer.cache.findClient(c); !known || e != before {
					t.Errorf("%s: the cache has %+v, %v", c, e, known)
				}
			}
			change(t, s)
			for _, c := range []string{client, "new.example"} {
				var want *greylist.ClientEntry
				for r, err := range s.Clients(t.Context()) {
					if err != nil {
						t.Fatal(err)
					}
					if r.Client == c {
						want = &r.ClientEntry
					}
				}
				got, err := s.Client(t.Context(), c)
				if err != nil || (got == nil) != (want == nil) || got != nil && *got != *want {
					t.Errorf("%s: answered %+v, %v, stored is %+v", c, got, err, want)
				}
			}
		})
	}
}

// TestCacheKeepsClients: an expiry that removes no client leaves their copies.
func TestCacheKeepsClients(t *testing.T) {
	s := openNew(t)
	writeClient(t, s, greylist.ClientWrite{Client: "example.net", After: greylist.ClientEntry{FirstPassed: 5, CountedAt: 5, Passed: 1, LastSeen: 5}})
	if _, err := s.Client(t.Context(), "example.net"); err != nil {
		t.Fatal(err)
	}
	if n, err := s.ExpireClients(t.Context(), 5); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if e, known := s.writer.cache.findClient("example.net"); !known || e == nil {
		t.Errorf("the cache has %+v, %v", e, known)
	}
}

// TestCacheOfReopened: the cache has nothing of a database that was found whole again after
// an error: another program may have written another one into the file.
func TestCacheOfReopened(t *testing.T) {
	s := openNew(t)
	if err := put(s, 1, entryPassed(10))(); err != nil {
		t.Fatal(err)
	}
	s.writer.pause(t.Context(), func() { s.writer.reopen(errSuspect) })
	if e := cached(s, 1); e != nil {
		t.Errorf("the cache has %+v", e)
	}
	answersAsStored(t, s, 1)
	if e := cached(s, 1); e == nil {
		t.Error("the cache is not used again")
	}
}

func writeClient(t *testing.T, s *Store, w greylist.ClientWrite) {
	t.Helper()
	if _, err := s.Update(t.Context(), nil, func([]*greylist.Entry) greylist.Decision {
		return greylist.Decision{Keep: true, Client: &w}
	}); err != nil {
		t.Fatal(err)
	}
}

// TestCacheNeedsNoLookup: a passed triplet in the cache is answered while the writer and
// all lookups are busy, also after commits of our own and a restart of the log; the one
// that the cache lost to another program's commit is read again.
func TestCacheNeedsNoLookup(t *testing.T) {
	s := openNew(t)
	s.checkpointer.close()
	fill(t, s, 10)
	if err := put(s, 1, entryPassed(10))(); err != nil {
		t.Fatal(err)
	}
	db := s.writer.current.Load().db
	before, _ := db.index.read()
	if _, whole, err := db.checkpoint("RESTART"); err != nil || !whole {
		t.Error(whole, err)
	}
	if err := put(s, 2, entryPassed(11))(); err != nil {
		t.Fatal(err)
	}
	if after, _ := db.index.read(); after[8] == before[8] {
		t.Error("the log has the salt of before: it was not restarted")
	}
	if e := cached(s, 1); e == nil || *e != entryPassed(10) {
		t.Errorf("after a restart of the log the cache has %+v", e)
	}
	for range maxLookups {
		l := <-db.lookups
		defer func() { db.lookups <- l }()
	}
	busy, free := make(chan struct{}), make(chan struct{})
	held := make(chan error)
	go func() {
		held <- s.writer.do(t.Context(), func(*tx) error { close(busy); <-free; return nil }, nil)
	}()
	<-busy
	var shown *greylist.Entry
	if _, err := inTime(t, s, 1, keep(&shown)); err != nil || shown == nil || *shown != entryPassed(10) {
		t.Errorf("%+v, %v", shown, err)
	}
	close(free)
	if err := <-held; err != nil {
		t.Error(err)
	}
}

// TestCacheFilled: after a start the cache is filled with what has passed; with all of
// it, or with what was stored last.
func TestCacheFilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "greyglass.db")
	s := open(t, path)
	const rows = 3*fillBatch + 1
	for n := range int64(rows) {
		if err := put(s, n, entryPassed(n+1))(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	defer s.Close()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		found := 0
		for n := range int64(rows) {
			if e := cached(s, n); e != nil && *e == entryPassed(n+1) {
				found++
			}
		}
		if found == rows {
			break
		}
		if time.Since(began) > longWait {
			t.Fatalf("the cache has %d of %d", found, rows)
		}
	}
}
