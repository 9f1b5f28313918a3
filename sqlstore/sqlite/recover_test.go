package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/storetest"
)

// logs checks that the log has the texts, each once, and nothing else.
func (j *journal) logs(t *testing.T, texts ...string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(j.String()), "\n")
	if len(texts) == 0 {
		texts = []string{""}
	}
	if len(lines) != len(texts) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(texts), j)
	}
	for i, text := range texts {
		if !strings.Contains(lines[i], text) {
			t.Errorf("logged %q, want %q", lines[i], text)
		}
	}
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDeleted: nothing is answered from a file that is gone. A new one is begun.
func TestDeleted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		gone func(t *testing.T, path string)
	}{
		{"the file", func(t *testing.T, path string) { remove(t, path) }},
		{"all files", func(t *testing.T, path string) { remove(t, path, walOf(path), shmOf(path)) }},
		{"moved", func(t *testing.T, path string) { move(t, path, path+".old") }},
	} {
		for _, idle := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				s, j := openLogged(t, filepath.Join(t.TempDir(), "greyglass.db"))
				fill(t, s, 100)
				c.gone(t, s.path)
				if idle {
					time.Sleep(2 * interval)
				}
				// The next caller is answered by the new one already, unless the machine is slow.
				if took, err := within(t, s, longWait, 100, storetest.Remember(greylist.Entry{FirstSeen: 100})); errors.Is(err, context.DeadlineExceeded) {
					recovers(t, s, 100)
				} else if err != nil {
					t.Errorf("%v after %v", err, took)
				}
				recovers(t, s, 101)
				j.logs(t, "created an empty database")
				closesWhole(t, s, 2)
				if c.name == "moved" { // it has all that it is to have
					onlyFileBut(t, s.path, "greyglass.db.old")
					old := open(t, s.path+".old")
					defer old.Close()
					if stats, err := old.Stats(t.Context()); err != nil || stats.Waiting != 100 {
						t.Errorf("the moved file: %+v, %v", stats, err)
					}
				} else {
					onlyFile(t, s.path)
				}
			})
		}
	}
}

// onlyFileBut checks that there is nothing but these two.
func onlyFileBut(t *testing.T, path, other string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v; want %s and %s", entries, err, filepath.Base(path), other)
	}
}

// TestFolderDeleted: where there can be no file, the store says so, and recovers once
// there can.
func TestFolderDeleted(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "folder")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	s, j := openLogged(t, filepath.Join(folder, "greyglass.db"))
	fill(t, s, 10)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	_, _ = inTime(t, s, 10, storetest.Remember(greylist.Entry{FirstSeen: 1}))
	failsAtOnce(t, s, "folder")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	recovers(t, s, 10)
	j.logs(t, "created an empty database")
	closesWhole(t, s, 1)
}

// TestReplaced: a database of ours that takes the place of another is used.
func TestReplaced(t *testing.T) {
	t.Parallel()
	for _, idle := range []bool{false, true} {
		s, j := openLogged(t, filepath.Join(t.TempDir(), "greyglass.db"))
		fill(t, s, 100)
		other := filepath.Join(t.TempDir(), "other.db")
		o := open(t, other)
		fill(t, o, 10)
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		move(t, other, s.path)
		if idle {
			time.Sleep(2 * interval)
		}
		took, err := within(t, s, longWait, 10, storetest.Remember(greylist.Entry{FirstSeen: 10}))
		if errors.Is(err, context.DeadlineExceeded) { // a slow machine does not open it within [reopenTimeout]
			recovers(t, s, 10)
		} else if err != nil {
			t.Errorf("%v after %v", err, took)
		}
		recovers(t, s, 11)
		stillKnown(t, s, 7)
		j.logs(t, "was replaced; using the one that is there now")
		closesWhole(t, s, 12)
		onlyFile(t, s.path)
	}
}

// TestReplacedByOthers: what belongs to others is left as it is, and nothing of
// ours is left beside it. It goes on when the path is free, or ours again.
func TestReplacedByOthers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		says string
	}{
		{"text", func(t *testing.T, path string) { writeFile(t, path, []byte(strings.Repeat("Dear diary\n", 100))) }, "not an SQLite database"},
		{"SQLite", func(t *testing.T, path string) {
			db := raw(t, path)
			execute(t, db, `CREATE TABLE triplet (x)`)
			db.Close()
		}, "belongs to another program"},
		{"newer", func(t *testing.T, path string) {
			_ = open(t, path).Close()
			db := raw(t, path)
			execute(t, db, `PRAGMA user_version = 1000`)
			db.Close()
		}, "newer version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, j := openLogged(t, filepath.Join(t.TempDir(), "greyglass.db"))
			fill(t, s, 100)
			other := filepath.Join(t.TempDir(), "other.db")
			c.make(t, other)
			content := string(readFile(t, other))
			mine := s.path + ".mine"
			if err := os.Link(s.path, mine); err != nil {
				t.Fatal(err)
			}
			move(t, other, s.path)
			failsAtOnce(t, s, c.says)
			time.Sleep(2 * interval)
			failsAtOnce(t, s, c.says)
			if string(readFile(t, s.path)) != content {
				t.Error("it was changed")
			}
			onlyFileBut(t, s.path, "greyglass.db.mine")
			if _, err := s.Stats(t.Context()); err == nil {
				t.Error("it is read")
			}
			j.logs(t)
			move(t, mine, s.path)
			recovers(t, s, 100)
			j.logs(t, "was replaced; using the one that is there now")
			closesWhole(t, s, 101)
		})
	}
}

// TestBesideDeleted: the files beside the database are deleted; others would
// make their own, and follow other locks. Nothing is lost.
func TestBesideDeleted(t *testing.T) {
	t.Parallel()
	for _, suffixes := range [][]string{{"-wal"}, {"-shm"}, {"-wal", "-shm"}} {
		t.Run(strings.Join(suffixes, ""), func(t *testing.T) {
			s, j := openLogged(t, filepath.Join(t.TempDir(), "greyglass.db"))
			fill(t, s, 100)
			for _, suffix := range suffixes {
				remove(t, s.path+suffix)
			}
			recovers(t, s, 100)
			j.logs(t, "file of the database was deleted or cut short by another program; reopened the database")
			second := open(t, s.path) // sees the same
			if err := put(second, 101, greylist.Entry{FirstSeen: 101})(); err != nil {
				t.Error(err)
			}
			if err := second.Close(); err != nil {
				t.Error(err)
			}
			stillKnown(t, s, 101)
			closesWhole(t, s, 102)
			onlyFile(t, s.path)
		})
	}
}

// TestIndexCut: the -shm file, which is in our memory, is cut short. The memory
// that is gone does not end the process, and nothing is lost.
func TestIndexCut(t *testing.T) {
	t.Parallel()
	for _, idle := range []bool{false, true} {
		s, j := openLogged(t, filepath.Join(t.TempDir(), "greyglass.db"))
		fill(t, s, 100)
		if err := os.Truncate(shmOf(s.path), 0); err != nil {
			t.Fatal(err)
		}
		if idle {
			time.Sleep(2 * interval)
		}
		recovers(t, s, 100)
		j.logs(t, "cut short by another program; reopened the database")
		closesWhole(t, s, 101)
	}
}

// TestLogCut: the write-ahead log is cut short. What the database itself has is
// not lost, and never corrupted by going on.
func TestLogCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		copied bool  // to the database, before
		left   int64 // of the log in hundredths
	}{
		{"copied, half", true, 50},
		{"copied, all", true, 0},
		{"half", false, 50},
		{"most", false, 1},
		{"all", false, 0},
	} {
		for _, idle := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				s, j := openLogged(t, filepath.Join(t.TempDir(), "greyglass.db"))
				s.checkpointer.close() // a log that is partly copied leaves a corrupt database
				fill(t, s, 100)
				if c.copied {
					if _, whole, err := s.writer.current.Load().db.checkpoint("PASSIVE"); err != nil || !whole {
						t.Fatal(whole, err)
					}
				}
				if err := os.Truncate(walOf(s.path), used(t, s)*c.left/100); err != nil {
					t.Fatal(err)
				}
				if idle {
					time.Sleep(2 * interval)
				}
				recovers(t, s, 100)
				recovers(t, s, 101)
				j.logs(t, "cut short by another program; the changes of the last second may be lost")
				stats, err := s.Stats(t.Context())
				if err != nil || stats.Waiting > 102 || c.copied && stats.Waiting != 102 {
					t.Errorf("%+v, %v", stats, err)
				}
				closesWhole(t, s, stats.Waiting)
			})
		}
	}
}

// used is how much of the log is in use, in bytes.
func used(t *testing.T, s *Store) int64 {
	t.Helper()
	db := s.writer.current.Load().db
	frames, ok := db.frames()
	if !ok {
		t.Fatal("the log can't be read")
	}
	return walSize(frames, db.pageSize)
}

// TestPageSize: a database whose pages another program has made larger or smaller is
// served as any other, and its log known as whole or as cut short.
func TestPageSize(t *testing.T) {
	t.Parallel()
	for _, size := range []int{512, 4096, 65536} {
		path := filepath.Join(t.TempDir(), "greyglass.db")
		if err := open(t, path).Close(); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		if _, err := db.Exec(fmt.Sprintf(`PRAGMA journal_mode = DELETE; PRAGMA page_size = %d; VACUUM`, size)); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		s, j := openLogged(t, path)
		if got := s.writer.current.Load().db.pageSize; got != int64(size) {
			t.Fatalf("pages of %d bytes, want %d", got, size)
		}
		fill(t, s, 100)
		if err := s.writer.current.Load().db.checkFiles(); err != nil {
			t.Error(err)
		}
		if err := os.Truncate(walOf(path), used(t, s)*99/100); err != nil {
			t.Fatal(err)
		}
		recovers(t, s, 100)
		j.logs(t, "cut short by another program; ")
		stats, err := s.Stats(t.Context())
		if err != nil {
			t.Error(err)
		}
		closesWhole(t, s, stats.Waiting)
	}
}

// TestLogCutInUse: while another program has the database open as well, what is
// left of the log is not used, and not written to.
func TestLogCutInUse(t *testing.T) {
	t.Parallel()
	s, _ := openLogged(t, filepath.Join(t.TempDir(), "greyglass.db"))
	cmd, stdout := child(t, "hold", s.path)
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 100)
	if err := os.Truncate(walOf(s.path), used(t, s)/2); err != nil {
		t.Fatal(err)
	}
	failsAtOnce(t, s, "cut short")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	recovers(t, s, 100)
	stats, err := s.Stats(t.Context())
	if err != nil {
		t.Error(err)
	}
	closesWhole(t, s, stats.Waiting)
}

// TestLink: a symbolic link that leads to another database is followed.
func TestLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(dir, "link.db")
	for _, name := range []string{"a.db", "b.db"} {
		if err := open(t, filepath.Join(dir, name)).Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a.db", link); err != nil {
		t.Fatal(err)
	}
	s, _ := openLogged(t, link)
	fill(t, s, 10)
	if err := errors.Join(os.Symlink("b.db", link+"2"), os.Rename(link+"2", link)); err != nil {
		t.Fatal(err)
	}
	recovers(t, s, 10)
	closesWhole(t, s, 1)
	a := open(t, filepath.Join(dir, "a.db"))
	defer a.Close()
	if stats, err := a.Stats(t.Context()); err != nil || stats.Waiting != 10 {
		t.Errorf("the first has %+v, %v; want 10", stats, err)
	}
}
