package chaos

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"greyglass/e2e/lab"

	_ "modernc.org/sqlite" // the driver
)

// row is what the database has of a triplet.
type row struct {
	passed bool
	at     int64
}

// compare compares the database, which no daemon uses at the time, with what was
// answered. It reads a copy, so that what a crash has left is for the daemon alone
// to fix. No question may be under way.
func (c *checker) compare(p *places, people *population) {
	rows, err := readCopy(p)
	if err != nil {
		c.lost(nil, "the database cannot be read: %v", err)
		return
	}
	c.counts.rows.Add(int64(len(rows)))
	now := time.Now()
	people.mu.Lock()
	defer people.mu.Unlock()
	for key, t := range people.all {
		if t.lost {
			continue
		}
		c.account(t, now, now)
		r, known := rows[key]
		var found states
		for _, s := range t.possible {
			if s.known == known && (!known || s.passed == r.passed && s.at == r.at) {
				found = append(found, s)
			}
		}
		if len(found) == 0 && !known && c.sweptAway(t, now) {
			found = states{{}}
		}
		if len(found) > 0 {
			t.possible = found
			continue
		}
		t.note(now, now, "in the database: %v, known %v", r, known)
		c.lost(t, "the database has %v (known: %v) for what may be %v", r, known, t.possible)
	}
}

// sweptAway reports whether the daemon's own expiry may have removed the triplet.
func (c *checker) sweptAway(t *triplet, now time.Time) bool {
	for _, s := range t.possible {
		for _, m := range c.clock.readings(now, now) {
			for _, age := range c.clock.ages(s.at, s.epoch, c.daemon().born, m) {
				if c.inForce.present().windows.expired(s, age) {
					return true
				}
			}
		}
	}
	return false
}

func readCopy(p *places) (map[[3]string]row, error) {
	dir, err := os.MkdirTemp(p.dir, "copy-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "greyglass.db")
	for _, end := range []string{"", "-wal"} {
		err := lab.CopyFile(p.database+end, file+end)
		if err != nil && (end == "" || !errors.Is(err, fs.ErrNotExist)) {
			return nil, err
		}
	}
	return readRows(file)
}

// readRows reads all that a database remembers, after a check that it is whole.
func readRows(file string) (map[[3]string]row, error) {
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var whole string
	if err := db.QueryRow(`PRAGMA integrity_check(1)`).Scan(&whole); err != nil {
		return nil, err
	}
	if whole != "ok" {
		return nil, fmt.Errorf("integrity_check: %s", whole)
	}
	found, err := db.Query(`SELECT client, sender, recipient, coalesce(passed_at, first_seen), passed_at IS NOT NULL FROM triplet`)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	rows := make(map[[3]string]row)
	for found.Next() {
		var key [3]string
		var r row
		if err := found.Scan(&key[0], &key[1], &key[2], &r.at, &r.passed); err != nil {
			return nil, err
		}
		rows[key] = r
	}
	return rows, found.Err()
}
