package main

import (
	"database/sql"
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"
)

func TestBackup(t *testing.T) {
	t.Parallel()
	eitherWay(t, nil, func(t *testing.T, s *site) {
		s.rememberAll()
		s.write("taken.db", "mine")
		s.run("backup", "taken.db").fails(t, statusFailed, "taken.db is already there; choose another name")
		if s.read("taken.db") != "mine" {
			t.Error("a file was overwritten")
		}
		s.run("backup", "missing/copy.db").fails(t, statusFailed, "missing/copy.db", "its folder must exist")

		if got := s.output("backup", "copy.db"); !regexp.MustCompile(`^backed up: copy\.db \([0-9]+ KiB\)\n$`).MatchString(got) {
			t.Errorf("printed %q", got)
		}
		info, err := os.Stat(s.path("copy.db"))
		if err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%v, %v", info, err)
		}
		checkIntegrity(t, s.path("copy.db"))
		got := s.list("--set", "store.url=sqlite:"+s.path("copy.db"))
		if !slices.Equal(got, remembered) {
			t.Errorf("the copy holds %v", got)
		}
	})
}

func checkIntegrity(t *testing.T, file string) {
	t.Helper()
	var result string
	err := withSQLite(file, func(db *sql.DB) error {
		return db.QueryRow(`PRAGMA integrity_check`).Scan(&result)
	})
	if err != nil || result != "ok" {
		t.Errorf("integrity_check of %s: %s, %v", file, result, err)
	}
}

func TestBackupWhileMailFlows(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.serve()
	done, answered := make(chan struct{}), make(chan int, 1)
	go func() {
		n := 0
		defer func() { answered <- n }()
		for ; ; n++ {
			select {
			case <-done:
				return
			default:
			}
			if _, err := s.tryAsk("203.0.113.7", fmt.Sprintf("s%d@example.net", n), "bob@example.org"); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	seen := 0
	for i := range 5 {
		file := s.path(fmt.Sprintf("copy%d.db", i))
		eventually(t, "more mail", func() bool { return len(s.records()) > seen })
		s.output("backup", file)
		checkIntegrity(t, file)
		held := len(s.list("--set", "store.url=sqlite:"+file))
		if held <= seen {
			t.Errorf("backup %d holds %d triplets, the one before %d", i, held, seen)
		}
		seen = held
	}
	close(done)
	if n := <-answered; len(s.records()) != n {
		t.Errorf("%d answered, %d remembered", n, len(s.records()))
	}
}
