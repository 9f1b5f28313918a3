package chaos

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// What the log says when the file was lost, and the daemon goes on.
const (
	begunAnew = "the database file is gone; created an empty database"
	replaced  = "the database file was replaced; using the one that is there now"
)

// loseFile takes the database from under the running daemon: deletes it, with
// which all is forgotten, or puts a backup of this very moment in its place, with
// which nothing is. No attempt is made until the daemon has noticed it, which it does within
// a second, or when what else is wrong with its disk is over: until then it may
// answer from the file that it has open, if that needs nothing to be written.
func (i *injector) loseFile(r *rand.Rand) {
	i.gate.Lock()
	defer i.gate.Unlock()
	if !i.holder.TryLock() {
		return // who holds a lock has the file open
	}
	defer i.holder.Unlock()
	if r.IntN(2) == 0 {
		i.lose("database deleted", begunAnew, func() error { return os.Remove(i.places.database) })
		i.allForgotten()
		return
	}
	backup := filepath.Join(i.places.disk, "backup.db")
	defer os.Remove(backup)
	if i.command("backup", backup).status == 0 {
		i.lose("database replaced", replaced, func() error { return os.Rename(backup, i.places.database) })
	}
}

// lose does it, and waits until the daemon says so.
func (i *injector) lose(f fault, says string, do func() error) {
	i.files.Lock()
	defer i.files.Unlock()
	i.weather.count(f)
	d := i.daemon()
	n := d.log.count(says)
	i.check(do())
	i.effect(d, string(f), says, n, 30*time.Second)
}

// allForgotten notes that no triplet is known any more. No question may be under way.
func (i *injector) allForgotten() {
	now := time.Now()
	i.people.mu.Lock()
	defer i.people.mu.Unlock()
	for _, t := range i.people.all {
		t.possible = states{{}}
		t.note(now, now, "forgotten, with the database")
	}
}
