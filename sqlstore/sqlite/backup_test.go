package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/storetest"
)

// fill remembers n triplets.
func fill(t *testing.T, s *Store, n int64) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := put(s, i, greylist.Entry{FirstSeen: i})(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// bulk makes the database larger than one step of a backup.
func bulk(t *testing.T, s *Store) {
	t.Helper()
	large := storetest.Numbered(1_000_000)
	large.Sender = strings.Repeat("x", 3*backupStep*4096)
	if err := storetest.Update(t.Context(), s, large, storetest.Remember(greylist.Entry{})); err != nil {
		t.Fatal(err)
	}
}

// TestBackup: a copy is made while mail flows, as of one moment, and is a
// database that can be opened.
func TestBackup(t *testing.T) {
	s := openNew(t)
	fill(t, s, 5000)
	bulk(t, s)
	file := filepath.Join(t.TempDir(), "copy %of?.db")

	// In each pause between two steps, another connection writes.
	n := int64(6000)
	var calls, done, total int64
	err := s.Backup(t.Context(), file, func(d, of int64) {
		if calls++; d < done || d > of || of <= 0 {
			t.Errorf("progress %d of %d after %d", d, of, done)
		}
		done, total = d, of
		if calls > 1000 {
			t.Fatal("it does not end")
		}
		for range 10 {
			if err := put(s, n, greylist.Entry{FirstSeen: n})(); err != nil {
				t.Error(err)
			}
			n++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode() != 0o640 || info.Size() != total || done != total || calls < 2 {
		t.Errorf("%v, %v; told %d of %d in %d calls", info, err, done, total, calls)
	}
	onlyFile(t, file)
	if content := readFile(t, file); content[18] != 1 || content[19] != 1 {
		t.Error("the copy is in WAL mode")
	}
	checkWhole(t, file)
	onlyFile(t, file)
	c := open(t, file)
	defer c.Close()
	stats, err := c.Stats(t.Context())
	if err != nil || stats.Waiting != 5001 {
		t.Errorf("%+v, %v; want the 5001 there were when it began", stats, err)
	}
	if err := put(c, 1, greylist.Entry{PassedAt: 1})(); err != nil {
		t.Error(err)
	}
}

// TestBackupFails: what is there is never overwritten, and nothing half done is
// left.
func TestBackupFails(t *testing.T) {
	s := openNew(t)
	bulk(t, s)
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	writeFile(t, taken, []byte("precious"))
	if err := s.Backup(t.Context(), taken, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v, want %v", err, fs.ErrExist)
	} else {
		t.Log(err)
	}
	late := filepath.Join(dir, "late")
	err := s.Backup(t.Context(), late, func(done, total int64) { writeFile(t, late, []byte("precious")) })
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v, want %v", err, fs.ErrExist)
	}
	for _, file := range []string{taken, late} {
		if string(readFile(t, file)) != "precious" {
			t.Error("the file was overwritten")
		}
	}
	if err := s.Backup(t.Context(), s.path, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("onto itself: %v, want %v", err, fs.ErrExist)
	}
	if err := s.Backup(t.Context(), filepath.Join(dir, "missing", "copy"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want %v", err, fs.ErrNotExist)
	} else {
		t.Log(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.Backup(ctx, filepath.Join(dir, "cut"), func(done, total int64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v are left, want the two that were there", entries, err)
	}
	if err := s.Backup(t.Context(), filepath.Join(dir, "copy"), nil); err != nil {
		t.Error(err)
	}
}
