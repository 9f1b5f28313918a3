package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o640); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// onlyFile checks that there is nothing beside the file.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(path) {
			t.Errorf("%s is left beside the database", e.Name())
		}
	}
}

// raw opens a database without any of the store's checks.
func raw(t *testing.T, path string, pragmas ...string) *sql.DB {
	t.Helper()
	// A store that is open may hold the write lock for a moment, to fill its cache.
	db, err := openPool(dsn(path, "rwc", append(pragmas, "busy_timeout(10000)")...), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func execute(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// checkWhole checks a closed database by SQLite's own means.
func checkWhole(t *testing.T, path string) {
	t.Helper()
	var integrity string
	var id, version int
	db := raw(t, path)
	defer db.Close()
	if err := db.QueryRow(`PRAGMA integrity_check`).Scan(&integrity); err != nil || integrity != "ok" {
		t.Errorf("integrity_check: %q, %v", integrity, err)
	}
	if err := db.QueryRow(`PRAGMA application_id`).Scan(&id); err != nil || id != 0x47524759 {
		t.Errorf("application_id: %#x, %v", id, err)
	}
	if err := db.QueryRow(`PRAGMA user_version`).Scan(&version); err != nil || version != len(migrations) {
		t.Errorf("user_version: %d, %v", version, err)
	}
}

// TestForeign: what is not ours stays as it is, byte for byte, and alone.
func TestForeign(t *testing.T) {
	ours := func(t *testing.T, path string) {
		if err := open(t, path).Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name string
		make func(t *testing.T, path string)
		want error
	}{
		{"text", func(t *testing.T, path string) {
			writeFile(t, path, []byte(strings.Repeat("This is a mailbox.\n", 20)))
		}, greylist.ErrNotOurs},
		{"short", func(t *testing.T, path string) { writeFile(t, path, []byte("SQLite format 3\x00")) }, greylist.ErrNotOurs},
		{"one byte", func(t *testing.T, path string) { writeFile(t, path, []byte{0}) }, greylist.ErrNotOurs},
		{"SQLite", func(t *testing.T, path string) {
			db := raw(t, path)
			execute(t, db, `CREATE TABLE triplet (x)`, `PRAGMA user_version = 1`)
			db.Close()
		}, greylist.ErrNotOurs},
		{"SQLite with WAL", func(t *testing.T, path string) {
			db := raw(t, path, "journal_mode(WAL)")
			execute(t, db, `CREATE TABLE triplet (x)`, `PRAGMA application_id = 7`)
			db.Close()
		}, greylist.ErrNotOurs},
		{"newer", func(t *testing.T, path string) {
			ours(t, path)
			db := raw(t, path)
			execute(t, db, `PRAGMA user_version = 1000`)
			db.Close()
		}, greylist.ErrNewer},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "greyglass.db")
			test.make(t, path)
			before := readFile(t, path)
			for _, create := range []bool{false, true} {
				refused(t, path, create, test.want)
			}
			if string(readFile(t, path)) != string(before) {
				t.Error("the file was changed")
			}
			onlyFile(t, path)
		})
	}
}

// refused checks that the path can't be opened, with an error of one line that
// names it.
func refused(t *testing.T, path string, create bool, want error) {
	t.Helper()
	s, err := Open(context.Background(), "sqlite:"+path, backend.Options{Create: create})
	if err == nil {
		s.Close()
		t.Fatal("it was opened")
	}
	if want != nil && !errors.Is(err, want) {
		t.Errorf("%v; want %v", err, want)
	}
	if text := err.Error(); strings.Contains(text, "\n") || !strings.Contains(text, filepath.Base(path)) {
		t.Errorf("the error is not one line that names the file: %q", text)
	} else {
		t.Log(text)
	}
}

// TestForeignInUse: a database that another program has open in WAL mode, and
// one of a newer version whose mark is only in the log, killed or alive.
func TestForeignInUse(t *testing.T) {
	t.Run("another program's", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "other.db")
		execute(t, raw(t, path, "journal_mode(WAL)"), `CREATE TABLE t (x)`, `INSERT INTO t VALUES (1)`)
		before := dirContent(t, path)
		refused(t, path, true, greylist.ErrNotOurs)
		sameContent(t, before, dirContent(t, path))
	})
	t.Run("newer in the log", func(t *testing.T) {
		live := filepath.Join(t.TempDir(), "greyglass.db")
		s := open(t, live)
		defer s.Close()
		db := raw(t, live, "wal_autocheckpoint(0)")
		execute(t, db, `PRAGMA user_version = 1000`)
		if v := binary.BigEndian.Uint32(readFile(t, live)[60:]); v != uint32(len(migrations)) {
			t.Fatalf("the file itself has version %d already: that tests nothing", v)
		}
		refused(t, live, true, greylist.ErrNewer)

		killed := filepath.Join(t.TempDir(), "greyglass.db") // as a kill leaves it
		writeFile(t, killed, readFile(t, live))
		writeFile(t, walOf(killed), readFile(t, walOf(live)))
		refused(t, killed, true, greylist.ErrNewer)
		if string(readFile(t, killed)) != string(readFile(t, live)) ||
			string(readFile(t, walOf(killed))) != string(readFile(t, walOf(live))) {
			t.Error("the database was changed")
		}
	})
}

func dirContent(t *testing.T, path string) map[string]string {
	t.Helper()
	content := make(map[string]string)
	for _, name := range []string{path, walOf(path), path + "-shm"} {
		content[name] = string(readFile(t, name))
	}
	return content
}

func sameContent(t *testing.T, before, after map[string]string) {
	t.Helper()
	for name := range before {
		if before[name] != after[name] {
			t.Errorf("%s was changed", name)
		}
	}
}

// TestNotThere: what can't be opened says why.
func TestNotThere(t *testing.T) {
	dir := t.TempDir()
	refused(t, filepath.Join(dir, "none.db"), false, greylist.ErrNoDatabase)
	refused(t, filepath.Join(dir, "missing", "none.db"), false, greylist.ErrNoDatabase)
	refused(t, dir, true, greylist.ErrNotOurs)

	empty := filepath.Join(dir, "empty.db")
	writeFile(t, empty, nil)
	refused(t, empty, false, greylist.ErrNoDatabase)
	if err := open(t, empty).Close(); err != nil {
		t.Error(err)
	}
	checkWhole(t, empty)

	dangling := filepath.Join(dir, "link.db")
	if err := os.Symlink("nowhere", dangling); err != nil {
		t.Fatal(err)
	}
	refused(t, dangling, true, nil)

	orphan := filepath.Join(dir, "orphan.db")
	writeFile(t, walOf(orphan), []byte("of a database that was removed"))
	refused(t, orphan, true, nil)
	if got := string(readFile(t, walOf(orphan))); got != "of a database that was removed" {
		t.Errorf("the log was changed to %q", got)
	}

	if os.Getuid() != 0 { // who may do anything
		locked := filepath.Join(dir, "locked")
		if err := os.Mkdir(locked, 0o500); err != nil {
			t.Fatal(err)
		}
		refused(t, filepath.Join(locked, "new.db"), false, greylist.ErrNoDatabase)
		if err := os.Chmod(empty, 0); err != nil {
			t.Fatal(err)
		}
		refused(t, empty, false, os.ErrPermission)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestOpensLater: where there can be no database yet, the daemon's store is opened all
// the same, says so, and begins by itself once there can.
func TestOpensLater(t *testing.T) {
	for _, c := range []struct {
		name  string
		begin func(t *testing.T) (folder string, end func())
		says  string
	}{
		{"no folder yet", func(t *testing.T) (string, func()) {
			folder := filepath.Join(t.TempDir(), "folder")
			return folder, func() {
				if err := os.Mkdir(folder, 0o755); err != nil {
					t.Error(err)
				}
			}
		}, "folder"},
		{"full disk", func(t *testing.T) (string, func()) {
			folder := disk(t, 1)
			return folder, fillUp(t, folder)
		}, "full"},
		{"read-only file system", func(t *testing.T) (string, func()) {
			folder := disk(t, 1)
			remount := func(flags uintptr) {
				if err := syscall.Mount("", folder, "", syscall.MS_REMOUNT|flags, ""); err != nil {
					t.Error(err)
				}
			}
			remount(syscall.MS_RDONLY)
			return folder, func() { remount(0) }
		}, "read-only file system"},
		{"full disk, with a database", func(t *testing.T) (string, func()) {
			folder := disk(t, 8)
			filled(t, filepath.Join(folder, "greyglass.db"))
			return folder, fillUp(t, folder)
		}, "full"},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder, end := c.begin(t)
			s, j := openLogged(t, filepath.Join(folder, "greyglass.db"))
			failsAtOnce(t, s, c.says)
			if _, err := s.Stats(t.Context()); err == nil {
				t.Error("it is read")
			}
			time.Sleep(2 * interval)
			failsAtOnce(t, s, c.says)
			end()
			recovers(t, s, 5000)
			j.logs(t)
			stats, err := s.Stats(t.Context())
			if err != nil {
				t.Error(err)
			}
			closesWhole(t, s, stats.Waiting)
		})
	}
}

// TestCreated: the file's mode, and that what a dead creator left does no harm.
func TestCreated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "greyglass.db")
	stale := filepath.Join(filepath.Dir(path), ".greyglass.db.123.tmp")
	writeFile(t, stale, []byte("half a database"))
	s := open(t, path)
	for _, name := range []string{path, walOf(path), path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil || info.Mode() != 0o640 {
			t.Errorf("%s: mode %v, %v; want 0640", name, info.Mode(), err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := string(readFile(t, stale)); got != "half a database" {
		t.Errorf("the other's file was changed to %q", got)
	}
	os.Remove(stale)
	onlyFile(t, path)
	checkWhole(t, path)
}

// TestPaths: any path works, and is the file's.
func TestPaths(t *testing.T) {
	t.Chdir(t.TempDir())
	for i, name := range []string{
		"greyglass.db", "with space.db", "what?mode=memory", "100%25.db", "a#b.db", "a&b=c;d+e.db", "grün-格.db", "file:x.db", ":memory:", "a:b@c",
	} {
		s, err := Open(t.Context(), "sqlite:"+name, backend.Options{Create: true})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := storetest.Update(t.Context(), s, storetest.Numbered(1), storetest.Remember(greylist.Entry{FirstSeen: int64(i)})); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		checkWhole(t, mustAbs(t, name))
	}
	entries, err := os.ReadDir(".")
	if err != nil || len(entries) != 10 {
		t.Errorf("%v, %v; want the ten databases", entries, err)
	}
	if err := os.Symlink("greyglass.db", "link.db"); err != nil {
		t.Fatal(err)
	}
	s := open(t, "link.db")
	if _, err := os.Stat("greyglass.db-wal"); err != nil {
		t.Error("by a symbolic link: ", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func mustAbs(t *testing.T, path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// TestHotJournal: a database whose program was killed within a transaction of before WAL
// mode, as when it switches to that, is rolled back and used.
func TestHotJournal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, killed := filepath.Join(dir, "greyglass.db"), filepath.Join(dir, "killed.db")
	filled(t, path)
	db := raw(t, path)
	execute(t, db, `PRAGMA journal_mode = DELETE`, `PRAGMA cache_size = 1`, `BEGIN IMMEDIATE`, `UPDATE triplet SET first_seen = 7`)
	for _, suffix := range []string{"", "-journal"} {
		writeFile(t, killed+suffix, readFile(t, path+suffix))
	}
	execute(t, db, `ROLLBACK`)
	s, j := openLogged(t, killed)
	recovers(t, s, 1)
	j.logs(t)
	closesWhole(t, s, 3000)
}
