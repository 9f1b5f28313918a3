package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"greyglass/e2e/lab"
	"greyglass/greylist"
	"greyglass/milter"
)

// The daemon's lines about an outage.
const (
	failing    = "database failing, answering by on_error"
	worksAgain = "database works again"
)

// known is an entry that lets its triplet through now, without anything to write.
func known() greylist.Entry {
	now := time.Now().Unix()
	return greylist.Entry{FirstSeen: now, LastSeen: now, PassedAt: now, Accepted: 1}
}

// outage asks about unknown triplets, from several sessions at once, while the storage
// fails, and checks that each is answered in time by on_error; and that this is
// told of by one line that says what it is about.
func (s *site) outage(daemon *process, says string) {
	s.t.Helper()
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			began := time.Now()
			answer, err := s.tryAsk("203.0.113.9", fmt.Sprintf("unknown%d@example.net", i), "bob@example.org")
			if took := time.Since(began); err != nil || answer.Verdict != greylist.Accept || took > 3*time.Second {
				s.t.Errorf("%+v, %v after %v", answer, err, took)
			}
		})
	}
	wg.Wait()
	failed := func() int { return len(daemon.find(`"msg":"decision"`, `"reason":"error"`)) }
	eventually(s.t, "all 40 decisions are in the log", func() bool { return failed() >= 40 })
	lines := daemon.find(failing)
	if len(lines) != 1 || !strings.Contains(lines[0].str("error"), says) || lines[0].str("level") != "WARN" ||
		lines[0].str("database") != s.db || lines[0].str("advice") == "" || lines[0].str("on_error") != "accept" {
		s.t.Errorf("told: %v; want one line, of %q", lines, says)
	}
	if n := failed(); n != 40 {
		s.t.Errorf("%d decisions with reason=error, want 40", n)
	}
}

// over checks that the outage ends by itself, without any mail, and is told of
// by one more line; and that all is well then.
func (s *site) over(daemon *process) {
	s.t.Helper()
	line := daemon.wait(worksAgain)
	if n := len(daemon.find(worksAgain)); n != 1 || line["failed_answers"] != 40.0 || line.str("after") == "" {
		s.t.Errorf("told %d times: %v", n, line)
	}
	if answer := s.ask("203.0.113.9", "late@example.net", "bob@example.org"); answer.Verdict != greylist.Defer {
		s.t.Errorf("afterwards: %+v", answer)
	}
	if answer := s.ask("203.0.113.7", "ann@example.net", "bob@example.org"); answer.Verdict != greylist.Accept {
		s.t.Errorf("who is known, afterwards: %+v", answer)
	}
	daemon.stop()
	if n := len(daemon.find(failing)); n != 1 {
		s.t.Errorf("told %d times that it fails", n)
	}
	s.sql(func(db *sql.DB) error {
		var says string
		if err := db.QueryRow(`PRAGMA integrity_check`).Scan(&says); err != nil || says != "ok" {
			return fmt.Errorf("integrity_check: %s, %v", says, err)
		}
		return nil
	})
}

// stillKnown checks that a passed triplet is still accepted.
func (s *site) stillKnown(daemon *process) {
	s.t.Helper()
	began := time.Now()
	answer := s.ask("203.0.113.7", "ann@example.net", "bob@example.org")
	if took := time.Since(began); answer.Verdict != greylist.Accept || took > time.Second {
		s.t.Errorf("who is known: %+v after %v", answer, took)
	}
	if line := daemon.wait(`"msg":"decision"`, `"sender":"ann@example.net"`); line.str("reason") != "already-grey" {
		s.t.Errorf("who is known: %v", line)
	}
}

// begun makes a site with a daemon that has a passed triplet.
func begun(t *testing.T, s *site) *process {
	t.Helper()
	s.remember("203.0.113.7", "ann@example.net", "bob@example.org", known())
	daemon := s.serve()
	if answer := s.ask("203.0.113.9", "early@example.net", "bob@example.org"); answer.Verdict != greylist.Defer {
		t.Errorf("%+v", answer)
	}
	return daemon
}

// A full file system.
func TestFaultDiskFull(t *testing.T) {
	t.Parallel()
	lab.Need(t, os.Getuid() == 0, "only root can mount a file system")
	s := newSite(t, nil)
	disk := s.path("disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("greyglass-test", disk, "tmpfs", 0, "size=4m"); err != nil {
		lab.Need(t, false, "no file system can be mounted here: "+err.Error())
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	s.db = filepath.Join(disk, "greyglass.db")
	s.configure(nil)
	daemon := begun(t, s)
	ballast, err := os.Create(filepath.Join(disk, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = ballast.Write(make([]byte, 4096))
	}
	_ = ballast.Close()
	s.sql(func(db *sql.DB) error { // what room is left in the files that are there, by steps of many pages, of a few, and of one
		const insert = `INSERT INTO triplet (key, client, sender, recipient, first_seen, last_seen, deferred, accepted) SELECT randomblob(16), 'x', 'x', 'x', 1, 1, 1, 0 `
		for _, step := range []string{insert + `FROM triplet`, insert, `UPDATE triplet SET last_seen = last_seen + 1 WHERE id = 1`} {
			for err = nil; err == nil; {
				_, err = db.Exec(step)
			}
			if !strings.Contains(err.Error(), "full") {
				return err
			}
		}
		return nil
	})
	s.outage(daemon, "full")
	s.stillKnown(daemon)
	if err := os.Remove(ballast.Name()); err != nil {
		t.Fatal(err)
	}
	s.over(daemon)
}

// The daemon starts where there can be no database yet: it answers by on_error, and goes
// on by itself once there can.
func TestFaultAtStart(t *testing.T) {
	t.Parallel()
	lab.Need(t, os.Getuid() == 0, "only root can mount a file system")
	for _, c := range []struct {
		name, options string
		end           string // options that put it right
	}{
		{"the folder is not there", "", ""},
		{"the file system is read-only", "size=1m,ro", "size=1m"},
		{"the disk is full", "size=8k", "size=1m"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			disk := s.path("disk")
			mount := func(flags uintptr, options string) {
				t.Helper()
				if err := os.MkdirAll(disk, 0o755); err != nil {
					t.Fatal(err)
				}
				options, readOnly := strings.CutSuffix(options, ",ro")
				if readOnly {
					flags |= syscall.MS_RDONLY
				}
				if err := syscall.Mount("greyglass-test", disk, "tmpfs", flags, options); err != nil {
					lab.Need(t, false, "no file system can be mounted here: "+err.Error())
				}
			}
			if c.options != "" {
				mount(0, c.options)
				t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
			}
			s.db = filepath.Join(disk, "greyglass.db")
			s.configure(nil)
			daemon := s.serve()
			s.outage(daemon, "cannot create")
			if c.options == "" {
				if err := os.Mkdir(disk, 0o755); err != nil {
					t.Fatal(err)
				}
			} else {
				mount(syscall.MS_REMOUNT, c.end)
			}
			daemon.wait(worksAgain)
			if answer := s.ask("203.0.113.9", "late@example.net", "bob@example.org"); answer.Verdict != greylist.Defer {
				t.Errorf("afterwards: %+v", answer)
			}
			daemon.stop()
		})
	}
}

// Writes that fail, by a limit of the size of files that another program sets.
func TestFaultIOError(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	daemon := begun(t, s)
	limit := func(bytes uint64) {
		t.Helper()
		const fsize = 1 // RLIMIT_FSIZE; prlimit(2)
		limit := syscall.Rlimit{Cur: bytes, Max: ^uint64(0)}
		_, _, errno := syscall.Syscall6(syscall.SYS_PRLIMIT64, uintptr(daemon.cmd.Process.Pid), fsize, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
		if errno != 0 {
			t.Fatal(errno)
		}
	}
	limit(4096)
	s.outage(daemon, "I/O error")
	s.stillKnown(daemon)
	limit(^uint64(0))
	s.over(daemon)
}

// Another program holds the lock for longer than anybody waits.
func TestFaultLocked(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"store.timeout": `"1s"`})
	daemon := begun(t, s)
	s.sql(func(db *sql.DB) error {
		db.SetMaxOpenConns(1)
		if _, err := db.Exec(`BEGIN EXCLUSIVE`); err != nil {
			return err
		}
		s.outage(daemon, "locked by another program")
		s.stillKnown(daemon)
		_, err := db.Exec(`COMMIT`)
		return err
	})
	s.over(daemon)
}

// The database is replaced by a foreign file, and brought back.
func TestFaultReplaced(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	daemon := begun(t, s)
	s.write("diary", strings.Repeat("Dear diary\n", 100))
	if err := errors.Join(os.Link(s.db, s.path("mine")), os.Rename(s.path("diary"), s.db)); err != nil {
		t.Fatal(err)
	}
	s.outage(daemon, "not a Greyglass database")
	if s.read("greyglass.db") != strings.Repeat("Dear diary\n", 100) {
		t.Error("it was changed")
	}
	if err := os.Rename(s.path("mine"), s.db); err != nil {
		t.Fatal(err)
	}
	daemon.wait("the database file was replaced")
	s.over(daemon)
}

// The database is deleted: an empty one is created before anybody asks, or as soon
// as another program does, and no recipient is answered by on_error.
func TestFaultDeleted(t *testing.T) {
	t.Parallel()
	for _, idle := range []bool{false, true} {
		s := newSite(t, nil)
		daemon := begun(t, s)
		if err := os.Remove(s.db); err != nil {
			t.Fatal(err)
		}
		if idle {
			daemon.wait("created an empty database")
		}
		if answer := s.ask("203.0.113.9", "early@example.net", "bob@example.org"); answer.Verdict != greylist.Defer {
			t.Errorf("%+v", answer)
		}
		daemon.wait("created an empty database", `"level":"ERROR"`, s.db)
		daemon.stop()
		if n := len(daemon.find(failing)); n != 0 {
			t.Error("a recipient was answered by on_error")
		}
		if records := s.records(); len(records) != 1 || records[0].Sender != "early@example.net" {
			t.Errorf("remembered: %v", records)
		}
	}
}

// The write-ahead log is cut short: it goes on with what the database has.
func TestFaultLogCut(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	daemon := begun(t, s)
	if err := os.Truncate(s.db+"-wal", 5000); err != nil {
		t.Fatal(err)
	}
	daemon.wait("the write-ahead log was cut short by another program")
	for _, answer := range []milter.ProbeAnswer{
		s.ask("203.0.113.9", "late@example.net", "bob@example.org"), s.ask("203.0.113.9", "later@example.net", "bob@example.org"),
	} {
		if answer.Verdict != greylist.Defer {
			t.Errorf("%+v", answer)
		}
	}
	s.stillKnown(daemon)
	daemon.stop()
	if n := len(s.records()); n < 3 {
		t.Errorf("%d remembered", n)
	}
}

// A corrupt page is found while the daemon runs: the database is quarantined, and mail
// goes on with an empty one, without a restart.
func TestFaultCorrupt(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.remember("203.0.113.7", "ann@example.net", "bob@example.org", known())
	s.sql(func(db *sql.DB) error {
		_, err := db.Exec(`WITH n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 3000)
			INSERT INTO triplet (key, client, sender, recipient, first_seen, last_seen, deferred, accepted) SELECT randomblob(16), 'client', 'sender' || n, 'recipient', 1, 1, 1, 0 FROM n`)
		return err
	})
	f, err := os.OpenFile(s.db, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err == nil { // of the table or the index, in the middle
		_, err = f.WriteAt([]byte(strings.Repeat("\xa5", 4096)), info.Size()/2/4096*4096)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	daemon := s.serve()
	moved := daemon.wait("the database is corrupt; quarantined it and going on with an empty one", `"level":"ERROR"`)
	if _, err := os.Stat(moved.str("moved_to")); err != nil || !strings.HasPrefix(moved.str("moved_to"), s.db+".corrupt-") {
		t.Errorf("%v, %v", moved, err)
	}
	if answer := s.ask("203.0.113.9", "late@example.net", "bob@example.org"); answer.Verdict != greylist.Defer {
		t.Errorf("%+v", answer)
	}
	daemon.wait(`"msg":"decision"`, `"reason":"not-seen-before"`)
}

// A database that is corrupt at the start: commands report it, and only the
// daemon quarantines it.
func TestFaultCorruptAtStart(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.create()
	if err := os.Truncate(s.db, 4096); err != nil {
		t.Fatal(err)
	}
	content := s.read("greyglass.db")
	for _, command := range databaseCommands {
		s.run(strings.Fields(command)...).fails(t, statusDatabase, "damaged database: "+s.db)
	}
	if s.read("greyglass.db") != content {
		t.Error("it was changed")
	}
	daemon := s.serve()
	moved := daemon.wait("the database is corrupt; quarantined it and going on with an empty one")
	if answer := s.ask("203.0.113.9", "late@example.net", "bob@example.org"); answer.Verdict != greylist.Defer {
		t.Errorf("%+v", answer)
	}
	if s.read(filepath.Base(moved.str("moved_to"))) != content {
		t.Error("what was quarantined was changed")
	}
}

// kill -9, again and again, under load: every answer is found in the database.
func TestFaultKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	deferred := make(map[string]bool)
	for round := range 5 {
		daemon := s.serve()
		var mu sync.Mutex
		var wg sync.WaitGroup
		for session := range 8 {
			wg.Go(func() {
				for n := 0; ; n++ {
					sender := fmt.Sprintf("s%d.%d.%d@example.net", round, session, n)
					answer, err := s.tryAsk("203.0.113.9", sender, "bob@example.org")
					if err != nil {
						return
					}
					if answer.Verdict != greylist.Defer {
						t.Errorf("%+v", answer)
					}
					mu.Lock()
					deferred[sender] = true
					mu.Unlock()
				}
			})
		}
		eventually(t, "some answers", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(deferred) >= 25*(round+1)
		})
		time.Sleep(time.Duration(round*77) * time.Millisecond)
		daemon.kill()
		wg.Wait()
		missing := len(deferred)
		for _, r := range s.records() {
			if deferred[r.Sender] {
				missing--
			}
		}
		if missing > 0 {
			t.Fatalf("of %d answers, %d are lost", len(deferred), missing)
		}
	}
	t.Logf("%d answers", len(deferred))
}
