package postgres

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"greyglass/e2e/lab"
)

// testPostgresDiskFull: while the table's file system is full, the health check's own
// write succeeds in the pages that there are. The outage lasts until there is room, and
// updates that need no write are answered.
func testPostgresDiskFull(t *testing.T, _ *cluster) {
	db := lab.StartDatabase(t)
	db.Stop() // its mount namespace has the file systems that are mounted before its start
	small := filepath.Join(db.Dir, "small")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("greyglass-test", small, "tmpfs", 0, "size=16m"); err != nil {
		lab.Need(t, false, "no file system can be mounted here: "+err.Error())
	}
	t.Cleanup(func() {
		db.Stop()
		_ = syscall.Unmount(small, syscall.MNT_DETACH)
	})
	owner, err := os.Stat(db.Dir)
	if err != nil {
		t.Fatal(err)
	}
	uid := int(owner.Sys().(*syscall.Stat_t).Uid)
	if err := os.Chown(small, uid, uid); err != nil {
		t.Fatal(err)
	}
	db.Start()
	db.SQL("postgres", `CREATE TABLESPACE small LOCATION '`+small+`'`)
	db.SQL("postgres", `CREATE ROLE greyglass LOGIN PASSWORD 'correct horse'; GRANT ALL ON SCHEMA public TO greyglass;
		GRANT CREATE ON TABLESPACE small TO greyglass; ALTER ROLE greyglass SET default_tablespace = small`)
	s := openWorking(t, (&cluster{Database: db}).url("greyglass", ""))
	l := startLoad(t, s, 5*time.Second)

	ballast := filepath.Join(small, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if f.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	l.outage(t, 4*time.Second, "No space left on device")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	l.recovered(t)
	l.end()
	closesSoon(t, s)
}
