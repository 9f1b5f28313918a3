package main

import (
	"database/sql"
	"os"
	"strings"
	"testing"
	"time"
)

// databaseCommands are all that open the database.
var databaseCommands = []string{
	"list", "stats", "explain 192.0.2.1 a@example.net b@example.org", "pass 192.0.2.1 a@example.net b@example.org", "forget 192.0.2.1 a@example.net b@example.org", "expire", "backup copy.db",
}

// names are what is in the site's folder.
func (s *site) names() string {
	s.t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestOnlyServeCreatesTheDatabase(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	before := s.names()
	for _, command := range databaseCommands {
		s.run(strings.Fields(command)...).fails(t, statusDatabase, "no database at "+s.db+"; greyglass serve creates it")
	}
	if after := s.names(); after != before {
		t.Errorf("created: was %s, is %s", before, after)
	}
}

// A database that is not ours, or that a newer version made, is left as it is.
func TestDatabaseOfOthers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		make func(s *site) error
		says string
	}{
		{"text", func(s *site) error {
			return os.WriteFile(s.db, []byte(strings.Repeat("Dear diary\n", 100)), 0o644)
		}, "is not an SQLite database"},
		{"another program's", func(s *site) error {
			return withSQLite(s.db, func(db *sql.DB) error {
				_, err := db.Exec(`CREATE TABLE triplet (client, sender, recipient); PRAGMA application_id = 7`)
				return err
			})
		}, "belongs to another program"},
		{"newer", func(s *site) error {
			s.create()
			return withSQLite(s.db, func(db *sql.DB) error {
				_, err := db.Exec(`PRAGMA user_version = 99`)
				return err
			})
		}, "database of a newer version: it has version 99"},
		{"a folder", func(s *site) error { return os.Mkdir(s.db, 0o755) }, "is not a regular file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			if err := c.make(s); err != nil {
				t.Fatal(err)
			}
			old := time.Now().Add(-time.Hour)
			if err := os.Chtimes(s.db, old, old); err != nil {
				t.Fatal(err)
			}
			look := func() (text string, written time.Time) {
				info, err := os.Stat(s.db)
				if err != nil {
					t.Fatal(err)
				}
				if !info.IsDir() {
					text = s.read("greyglass.db")
				}
				return text, info.ModTime()
			}
			text, written := look()
			names := s.names()
			for _, command := range append([]string{"serve"}, databaseCommands...) {
				s.run(strings.Fields(command)...).fails(t, statusDatabase, "greyglass: ", s.db, c.says)
			}
			if now, at := look(); now != text || !at.Equal(written) {
				t.Errorf("the file was changed; its time was %v, is %v", written, at)
			}
			if now := s.names(); now != names {
				t.Errorf("the folder held %s, and holds %s", names, now)
			}
		})
	}
}

// An empty file, which a crash may leave, and a file that another user may not
// read.
func TestDatabaseFileThatIsOdd(t *testing.T) {
	t.Parallel()
	s := unprivileged(t, nil)
	s.write("greyglass.db", "")
	s.run("list").fails(t, statusDatabase, "no database at "+s.db)
	s.serve().stop()
	s.output("list")
	if err := os.Chmod(s.db, 0); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"list", "serve"} {
		s.run(command).fails(t, statusDatabase, s.db, "permission denied")
	}
}
