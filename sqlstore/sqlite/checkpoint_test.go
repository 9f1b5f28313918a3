package sqlite

import (
	"os"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/storetest"
)

// pageSize is that of a new database, in bytes: SQLite's default.
const pageSize = 4096

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestLongLog: the log is copied into the database and restarted; a reader that
// holds on to an old view has it grow, but stops nothing, and it is cut when
// that reader has gone.
func TestLongLog(t *testing.T) {
	s := openNew(t)
	s.checkpointer.close()
	wal := walOf(s.path)
	checkpoint := func() {
		t.Helper()
		if err := s.checkpointer.run(); err != nil {
			t.Error(err)
		}
	}
	fill(t, s, 1000)
	checkpoint()
	usual := fileSize(t, wal)
	for range 5 { // the log restarts
		fill(t, s, 1000)
		checkpoint()
	}
	if size := fileSize(t, wal); size > 2*usual {
		t.Errorf("the log has grown from %d to %d bytes", usual, size)
	}
	if s.writer.wrote.Load() {
		t.Error("a checkpoint is needed right after one")
	}

	reader := raw(t, s.path)
	execute(t, reader, `BEGIN`, `SELECT count(*) FROM triplet`)
	big := int64(1000)
	for fileSize(t, wal) <= walLimit {
		long := storetest.Numbered(big)
		long.Recipient = string(make([]byte, 2_000_000))
		if err := storetest.Update(t.Context(), s, long, storetest.Remember(greylist.Entry{FirstSeen: 1})); err != nil {
			t.Fatal(err)
		}
		big++
	}
	checkpoint()
	if size := fileSize(t, wal); size <= walLimit {
		t.Errorf("the log was cut to %d bytes under a reader", size)
	}
	if !s.writer.wrote.Load() {
		t.Error("no further checkpoint is needed although a reader was in the way")
	}
	if err := put(s, 1, greylist.Entry{FirstSeen: 2})(); err != nil {
		t.Error(err)
	}
	var n int64
	if err := reader.QueryRow(`SELECT count(*) FROM triplet`).Scan(&n); err != nil || n != 1000 {
		t.Errorf("the reader sees %d, %v; want 1000", n, err)
	}
	execute(t, reader, `COMMIT`)
	reader.Close()
	// As it is done, every second: a program in the way of one attempt,
	// on a busy machine, must not be in the way of all.
	attempts := 0
	for size := int64(walLimit + 1); size > walLimit; size = fileSize(t, wal) {
		if attempts++; attempts > 5 {
			t.Fatalf("the log still has %d bytes", size)
		}
		if attempts > 1 {
			time.Sleep(interval)
		}
		checkpoint()
		if err := put(s, 1, greylist.Entry{FirstSeen: 3})(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("the log was cut at attempt %d", attempts)
}

// TestCheckpoints: it works by itself, and Close leaves the database whole in its
// file although another connection stays open.
func TestCheckpoints(t *testing.T) {
	s := open(t, t.TempDir()+"/greyglass.db")
	fill(t, s, 10)
	for range time.Tick(10 * time.Millisecond) {
		if !s.writer.wrote.Load() {
			break // it has seen that, within a second or so
		}
	}
	fill(t, s, 100)
	other := raw(t, s.path)
	execute(t, other, `SELECT count(*) FROM triplet`)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if size := fileSize(t, walOf(s.path)); size != 0 {
		t.Errorf("the log has %d bytes, want none", size)
	}
	alone := t.TempDir() + "/alone.db"
	writeFile(t, alone, readFile(t, s.path))
	c := open(t, alone)
	defer c.Close()
	if stats, err := c.Stats(t.Context()); err != nil || stats.Waiting != 100 {
		t.Errorf("%+v, %v; want 100", stats, err)
	}
}
