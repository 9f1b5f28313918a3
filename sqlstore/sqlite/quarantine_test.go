package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// filled makes a closed database with a few thousand triplets.
func filled(t *testing.T, path string) {
	t.Helper()
	s := open(t, path)
	fill(t, s, 3000)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// spoil overwrites a part of the file.
func spoil(t *testing.T, path string, at int64, length int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(strings.Repeat("\xa5", length)), at); err != nil {
		t.Fatal(err)
	}
}

// rootPage is the page of a table or index from which it is searched.
func rootPage(t *testing.T, path, name string) (page int64) {
	t.Helper()
	db := raw(t, path)
	defer db.Close()
	if err := db.QueryRow(`SELECT rootpage FROM sqlite_schema WHERE name = $1`, name).Scan(&page); err != nil {
		t.Fatal(err)
	}
	return page
}

// hiddenLeaf is a page of the index that opening does not look at: a child in
// the middle of the root (sqlite.org/fileformat.html, section 1.6).
func hiddenLeaf(t *testing.T, path string) (page int64) {
	t.Helper()
	root := readFile(t, path)[(rootPage(t, path, keyIndex)-1)*pageSize:]
	cells := int(binary.BigEndian.Uint16(root[3:]))
	if root[0] != 2 || cells < 4 {
		t.Fatalf("the root has the type %d, and %d cells", root[0], cells)
	}
	cell := binary.BigEndian.Uint16(root[12+2*(cells/2):])
	return int64(binary.BigEndian.Uint32(root[cell:]))
}

const keyIndex = "sqlite_autoindex_triplet_1"

// TestCorrupt: a database of ours that is corrupt when it is opened is quarantined by a
// program that may create one, and left alone by others.
func TestCorrupt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, path string)
	}{
		{"schema", func(t *testing.T, path string) { spoil(t, path, 100, 3900) }},
		{"table", func(t *testing.T, path string) {
			spoil(t, path, (rootPage(t, path, "triplet")-1)*pageSize, pageSize)
		}},
		{"index", func(t *testing.T, path string) { spoil(t, path, (rootPage(t, path, keyIndex)-1)*pageSize, pageSize) }},
		{"cut short", func(t *testing.T, path string) {
			if err := os.Truncate(path, fileSize(t, path)/2); err != nil {
				t.Fatal(err)
			}
		}},
		{"header alone", func(t *testing.T, path string) {
			if err := os.Truncate(path, 100); err != nil {
				t.Fatal(err)
			}
		}},
		{"not a database any more", func(t *testing.T, path string) { spoil(t, path, 16, 8) }},
		{"with a log", func(t *testing.T, path string) {
			copied := filepath.Join(t.TempDir(), "copy.db")
			s := open(t, path)
			fill(t, s, 5000)
			for _, suffix := range []string{"", "-wal", "-shm"} {
				writeFile(t, copied+suffix, readFile(t, path+suffix)) // as a kill leaves it
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			for _, suffix := range []string{"", "-wal", "-shm"} {
				move(t, copied+suffix, path+suffix)
			}
			if err := os.Truncate(walOf(path), 0); err != nil {
				t.Fatal(err)
			}
			spoil(t, path, 100, 3900)
			writeFile(t, walOf(path), []byte("what is left of a log"))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "greyglass.db")
			filled(t, path)
			c.spoil(t, path)
			before := string(readFile(t, path))
			log, _ := os.ReadFile(walOf(path))

			refused(t, path, false, greylist.ErrDamaged)
			if string(readFile(t, path)) != before {
				t.Fatal("it was changed")
			}
			s, j := openLogged(t, path)
			recovers(t, s, 1)
			j.logs(t, "quarantined it and going on with an empty one")
			if !strings.Contains(j.String(), "level=ERROR") {
				t.Error("not as an error")
			}
			closesWhole(t, s, 1)

			moved, err := filepath.Glob(path + ".corrupt-*Z")
			if err != nil || len(moved) != 1 || !strings.Contains(j.String(), moved[0]) {
				t.Fatalf("quarantined: %v, %v", moved, err)
			}
			at, err := time.Parse(quarantineTime, strings.TrimPrefix(moved[0], path))
			if err != nil || time.Since(at).Abs() > time.Minute {
				t.Errorf("%s: %v", moved[0], err)
			}
			if string(readFile(t, moved[0])) != before {
				t.Error("it was changed")
			}
			if len(log) > 0 && string(readFile(t, walOf(moved[0]))) != string(log) {
				t.Error("its log was changed")
			}
		})
	}
}

// TestQuarantine: nothing is overwritten, and of two who do it at once the
// second leaves the new one alone.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "greyglass.db")
	now := time.Date(2026, 11, 22, 10, 1, 2, 0, time.FixedZone("", 3600))
	writeFile(t, path+".corrupt-20261122T090102Z", []byte("another"))
	writeFile(t, path, []byte("corrupt"))
	which, _, err := identify(path)
	if err != nil {
		t.Fatal(err)
	}
	moved, err := quarantine(path, which, now)
	if err != nil || moved != path+".corrupt-20261122T090103Z" {
		t.Errorf("%q, %v", moved, err)
	}
	if string(readFile(t, moved)) != "corrupt" || string(readFile(t, path+".corrupt-20261122T090102Z")) != "another" {
		t.Error("overwritten")
	}
	for _, there := range []bool{false, true} {
		if there {
			writeFile(t, path, []byte("new"))
		}
		if moved, err := quarantine(path, which, now); moved != "" || err != nil {
			t.Errorf("%q, %v", moved, err)
		}
	}
	if string(readFile(t, path)) != "new" {
		t.Error("the new one was moved")
	}
}

// TestCorruptSmallTables: a corrupt page of the clients or the expectations is found by the first
// look-up that reads it, also while the writer has it in its cache, and nothing is answered by it.
func TestCorruptSmallTables(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "greyglass.db")
	for _, c := range []struct {
		table       string
		add, cached func(s *Store) error // a row; brings the page into the writer's cache
		there       func(s *Store) (bool, error)
	}{
		{"client", func(s *Store) error {
			_, err := s.Update(t.Context(), nil, func([]*greylist.Entry) greylist.Decision {
				return greylist.Decision{Keep: true, Client: &greylist.ClientWrite{Client: "192.0.2.1", After: greylist.ClientEntry{Passed: 1}}}
			})
			return err
		}, func(s *Store) error {
			_, err := s.ForgetClient(t.Context(), "192.0.2.2")
			return err
		}, func(s *Store) (bool, error) {
			e, err := s.Client(t.Context(), "192.0.2.1")
			return e != nil, err
		}},
		{"expected", func(s *Store) error {
			return s.Expect(t.Context(), greylist.Expectation{Recipient: "bob@example.org", Sender: "*", Since: 1, Until: 2})
		}, func(s *Store) error {
			_, err := s.CancelExpected(t.Context(), "carl@example.org", "*")
			return err
		}, func(s *Store) (bool, error) {
			all, err := s.Expected(t.Context())
			return len(all) > 0, err
		}},
	} {
		t.Run(c.table, func(t *testing.T) {
			s := open(t, path)
			if err := errors.Join(c.add(s), s.Close()); err != nil {
				t.Fatal(err)
			}
			page := rootPage(t, path, c.table)
			s, j := openLogged(t, path)
			if err := c.cached(s); err != nil {
				t.Fatal(err)
			}
			spoil(t, path, (page-1)*pageSize, pageSize)
			if there, err := c.there(s); err == nil {
				t.Errorf("%v, without an error", there)
			}
			for deadline := time.Now().Add(longWait); ; time.Sleep(10 * time.Millisecond) {
				there, err := c.there(s)
				if err == nil && !there {
					break // of the empty database in its place
				}
				if there || time.Now().After(deadline) {
					t.Fatalf("%v, %v", there, err)
				}
			}
			j.logs(t, "quarantined it")
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCorruptInUse: a page that is found corrupt while mail flows, by a caller that
// needs it or by the check in the background, has the database quarantined, and
// mail goes on with an empty one.
func TestCorruptInUse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, s *Store, j *journal, leaf int64)
	}{
		{"before it is opened", nil},
		{"while it is open", func(t *testing.T, s *Store, j *journal, leaf int64) {
			spoil(t, s.path, (leaf-1)*pageSize, pageSize)
			deadline := time.Now().Add(longWait)
			for i := int64(0); ; i = (i + 1) % 3000 {
				if _, err := inTime(t, s, i, storetest.Remember(greylist.Entry{FirstSeen: i})); errors.Is(err, greylist.ErrDamaged) || strings.Contains(j.String(), "quarantined it") {
					return
				}
				if time.Now().After(deadline) {
					t.Fatal("nothing has noticed")
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "greyglass.db")
			filled(t, path)
			leaf := hiddenLeaf(t, path)
			if c.spoil == nil {
				spoil(t, path, (leaf-1)*pageSize, pageSize)
			}
			s, j := openLogged(t, path)
			if c.spoil != nil {
				c.spoil(t, s, j, leaf)
			}
			for began := time.Now(); !strings.Contains(j.String(), "quarantined it"); time.Sleep(10 * time.Millisecond) {
				if time.Since(began) > longWait {
					t.Fatal("it is not quarantined")
				}
			}
			recovers(t, s, 5000)
			j.logs(t, "the database is corrupt; quarantined it and going on with an empty one")
			files, err := filepath.Glob(path + ".corrupt-*Z")
			if err != nil || len(files) != 1 || !strings.Contains(j.String(), files[0]) || !strings.Contains(j.String(), "level=ERROR") {
				t.Fatalf("%v, %v", files, err)
			}
			if err := quickCheck(t.Context(), files[0]); !errors.Is(err, greylist.ErrDamaged) {
				t.Errorf("what was quarantined: %v", err)
			}
			stats, err := s.Stats(t.Context())
			if err != nil || stats.Waiting >= 3000 {
				t.Errorf("%+v, %v; want few in the new database", stats, err)
			}
			closesWhole(t, s, stats.Waiting)
		})
	}
}

// TestCommandsQuarantineNothing: what a command finds corrupt it leaves as it is.
func TestCommandsQuarantineNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "greyglass.db")
	filled(t, path)
	spoil(t, path, (hiddenLeaf(t, path)-1)*pageSize, pageSize)
	s, err := Open(t.Context(), "sqlite:"+path, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := int64(0); !errors.Is(err, greylist.ErrDamaged); i++ {
		if i == 3000 {
			t.Fatal("no caller has noticed")
		}
		_, err = inTime(t, s, i, storetest.Remember(greylist.Entry{FirstSeen: i}))
	}
	time.Sleep(2 * interval)
	failsAtOnce(t, s, "damaged database")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if files, err := filepath.Glob(path + ".*"); err != nil || len(files) != 0 {
		t.Errorf("%v, %v", files, err)
	}
}

// TestFoundWhileReading: a wrong page that a statement finds while the database is read
// through, slowly and not all of it, is looked for by a full check at once. A database that
// the check finds whole is used again.
func TestFoundWhileReading(t *testing.T) {
	t.Parallel()
	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, make([]byte, 1024), 0o600); err != nil {
		t.Fatal(err)
	}
	spoil(t, garbage, 0, 1024)
	wrong := quickCheck(t.Context(), garbage)
	if !isCorrupt(wrong) {
		t.Fatal(wrong)
	}
	path := filepath.Join(t.TempDir(), "greyglass.db")
	filled(t, path)
	s, j := openLogged(t, path)
	s.writer.pause(t.Context(), func() {
		s.writer.startCheck()
		s.writer.diagnose(s.writer.current.Load().db, wrong)
		if c := s.writer.check; c == nil || !c.full {
			t.Error("there is no full check")
		}
	})
	recovers(t, s, 3000)
	j.logs(t, "the database is whole after all; using it again")
	closesWhole(t, s, 3001)
	onlyFile(t, path)
}

// TestQuickCheck: it finds what opening does not look at, and can be broken off.
func TestQuickCheck(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "greyglass.db")
	filled(t, path)
	if err := quickCheck(t.Context(), path); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := quickCheck(ctx, path); err == nil || errors.Is(err, greylist.ErrDamaged) {
		t.Errorf("%v", err)
	}
	spoil(t, path, (hiddenLeaf(t, path)-1)*pageSize, pageSize)
	if err := peek(t.Context(), path, len(migrations)); err != nil {
		t.Errorf("opening looks at too much: %v", err)
	}
	if err := quickCheck(t.Context(), path); !errors.Is(err, greylist.ErrDamaged) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	} else {
		t.Log(err)
	}
}

// TestReadThrough: all triplets and their index are read, by a tenth of a processor, and
// the progress is logged.
func TestReadThrough(t *testing.T) {
	t.Parallel()
	s, j := openLogged(t, filepath.Join(t.TempDir(), "greyglass.db"))
	fill(t, s, 2*readBatch+1)
	began := time.Now()
	if err := s.writer.readThrough(t.Context(), s.path, 0); err != nil {
		t.Fatal(err)
	}
	t.Logf("it took %v", time.Since(began))
	if n := strings.Count(j.String(), eventChecking); n != 6 || strings.Count(j.String(), eventChecked) != 1 {
		t.Errorf("%d lines, want 6 and one at the end:\n%s", n, j)
	}
	if err := s.Close(); err != nil { // which brings the log into the database
		t.Fatal(err)
	}
	spoil(t, s.path, (hiddenLeaf(t, s.path)-1)*pageSize, pageSize)
	if err := s.writer.readThrough(t.Context(), s.path, 0); !isCorrupt(err) {
		t.Errorf("a corrupt page of the index: %v", err)
	}
}
