package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/greylist"
	"greyglass/sqlstore"
	"greyglass/sqlstore/sqlite"
)

// checkDatabase checks whether the database is sound and can be written to.
func checkDatabase(ctx context.Context, v *exam) {
	url := v.config.Store.URL
	file, isFile := v.config.Store.SQLite()
	if !isFile {
		v.checkServer(ctx, v.config.Store)
		return
	}
	done := v.tellProgress(file)
	x, err := sqlite.Examine(ctx, url)
	done()
	if ctx.Err() != nil {
		return
	}
	v.checkQuarantined(url)
	switch {
	case errors.Is(err, fs.ErrPermission) && !v.Machine.Super:
		v.warn("run this as root", "%s could not be checked: this user may not read it", file)
		return
	case err != nil:
		v.wrong(databaseFix(err), "%s", err.Error())
		return
	}
	v.newestTime = x.NewestTime
	if len(x.Faults) > 0 {
		v.wrong("restart the daemon: it quarantines a corrupt database and goes on with an empty one; or stop it, put a copy made by 'greyglass backup' in its place, and start it; and check the disk ('dmesg')",
			"%s is corrupt: %s", x.Path, strings.Join(x.Faults, "; "))
	} else {
		v.ok("%s is sound (%s)", x.Path, humanize.IBytes(uint64(x.Bytes+x.LogBytes)))
	}
	if x.Version < x.Newest {
		v.warn("restart the daemon, which brings it to the present version", "it has version %d, and this program's is %d", x.Version, x.Newest)
	}
	v.readable = len(x.Faults) == 0 && x.Version == x.Newest
	if x.LogBytes > 4*x.LogLimit {
		v.warn("end the program that has been reading it for long, such as an open sqlite3 ('fuser "+x.Path+"' shows it); if there is none, restart the daemon",
			"its log %s-wal has grown to %s, because the daemon cannot copy it into the database", x.Path, humanize.IBytes(uint64(x.LogBytes)))
	}
	v.checkOwners(x.Path)
}

// tellProgress reports now and then that the database is still being checked.
func (v *exam) tellProgress(file string) (done func()) {
	if v.Progress == nil {
		return func() {}
	}
	var size int64
	if info, err := os.Stat(file); err == nil {
		size = info.Size()
	}
	began, stop := time.Now(), make(chan struct{})
	go func() {
		for wait := 3 * time.Second; ; wait = 15 * time.Second {
			select {
			case <-stop:
				return
			case <-time.After(wait):
				v.Progress(fmt.Sprintf("checking all of the database (%s), for %v so far; mail flows meanwhile",
					humanize.IBytes(uint64(size)), time.Since(began).Round(time.Second)))
			}
		}
	}()
	return func() { close(stop) }
}

// databaseFix suggests what to do about a database that cannot be opened.
func databaseFix(err error) string {
	switch {
	case errors.Is(err, greylist.ErrNoDatabase):
		return "start the daemon, which creates it; if it exists elsewhere, set store.url"
	case errors.Is(err, greylist.ErrNotOurs):
		return "give another path in store.url; the file was not touched"
	case errors.Is(err, greylist.ErrNewer):
		return "install the newer Greyglass again, or give another path in store.url"
	}
	return "check that its folder and disk are there and readable, and see the daemon's log"
}

// checkServer checks a PostgreSQL database.
func (v *exam) checkServer(ctx context.Context, c config.Store) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	name := sqlstore.Name(c.URL)
	began := time.Now()
	store, err := sqlstore.Open(ctx, c.URL, sqlstore.Options{PasswordFile: c.PasswordFile, Now: v.Machine.Now})
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	if err == nil {
		defer store.Close()
		err = store.Ping(ctx)
	}
	if err != nil {
		var fault *greylist.Fault
		fix := databaseFix(err)
		if errors.As(err, &fault) {
			err, fix = fault, fault.Advice
		}
		v.wrong(fix, "%s: %s", name, err.Error())
		return
	}
	v.readable = true
	ahead, _ := sqlstore.ClockAhead(store)
	v.ok("%s can be written to (after %v)", name, time.Since(began).Round(time.Millisecond))
	if ahead.Abs() > sqlstore.WarnSkew {
		v.wrong("set both clocks right, and keep them so by systemd-timesyncd, chrony or ntpd",
			"this machine's clock is %v ahead of the database server's clock, which decisions follow; expiry stops above %v",
			ahead.Round(time.Second), sqlstore.ExpirySkew)
	}
}

// checkQuarantined reports quarantined databases, as long as they exist.
func (v *exam) checkQuarantined(url string) {
	files, _ := sqlite.Quarantined(url)
	for _, file := range files {
		v.wrong("check the disk ('dmesg', 'smartctl'); save what you need from the file, then move or remove it",
			"a database was found corrupt and quarantined as %s", file)
	}
}

// checkOwners checks whether the database's owner can write to it and to its folder.
func (v *exam) checkOwners(path string) {
	w, err := v.Machine.routeTo(path)
	if err != nil || len(w) < 2 {
		v.wrong("run this as root", "the folder of %s cannot be checked: %v", path, err)
		return
	}
	file, folder := w.end(), w.folders()[len(w)-2]
	owner, known := v.Machine.account(strconv.Itoa(file.uid))
	if !known {
		owner = account{strconv.Itoa(file.uid), file.uid, []int{file.gid}}
	}
	const mayBoth = mayWalk | mayWrite
	if !folder.lets(owner, mayBoth) {
		v.wrong(fmt.Sprintf("'chown %s %s', or correct its mode", owner.name, folder.path),
			"user %s, who owns the database, may not write to its folder %s (%s)", owner.name, folder.path, v.Machine.inWords(folder))
	} else if file.uid == 0 && folder.uid != 0 {
		v.wrong(fmt.Sprintf("stop the daemon, 'chown %s: %s*', and start it", v.Machine.userName(folder.uid), path),
			"%s belongs to root, but its folder to %s: as this user the daemon cannot write", path, v.Machine.userName(folder.uid))
	} else {
		v.ok("its folder %s can be written to by its owner, %s", folder.path, owner.name)
	}
	for _, beside := range []string{path + "-wal", path + "-shm"} {
		if p, err := placeAt(beside); err == nil && !p.lets(owner, mayWrite) {
			v.wrong(fmt.Sprintf("'chown %s: %s'", owner.name, beside), "user %s, who owns the database, may not write to %s (%s)", owner.name, filepath.Base(beside), v.Machine.inWords(p))
		}
	}
}
