package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// Examination is the result of [Examine].
type Examination struct {
	Path       string   // absolute, without symbolic links
	Version    int      // of its schema
	Newest     int      // that this program knows
	Bytes      int64    // of the file
	LogBytes   int64    // of the write-ahead log beside it
	LogLimit   int64    // the usual maximum of LogBytes while the daemon runs
	NewestTime int64    // the latest stored time, in Unix seconds; 0: none
	Faults     []string // what SQLite finds corrupt
}

// maxFaults bounds how many faults are listed.
const maxFaults = 5

// Examine checks the whole SQLite database that url names, which may take minutes, and
// changes nothing in it. The error is one of [Open], or the context's; corruption is
// reported in the Examination.
func Examine(ctx context.Context, url string) (*Examination, error) {
	path, err := realPath(url)
	if err != nil {
		return nil, err
	}
	keepLocks()
	there, err := inspect(path, len(migrations))
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, fmt.Errorf("%w at %s; greyglass serve creates it", greylist.ErrNoDatabase, path)
	}
	x := &Examination{Path: path, Newest: len(migrations), LogLimit: walLimit}
	for file, size := range map[string]*int64{path: &x.Bytes, walOf(path): &x.LogBytes} {
		if info, err := os.Stat(file); err == nil {
			*size = info.Size()
		}
	}
	switch err := x.examine(ctx); {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case isCorrupt(err):
		x.Faults = append(x.Faults, err.Error())
	case err != nil:
		return nil, openError(path, err)
	}
	return x, nil
}

// realPath returns the absolute path of the file that a URL names, without symbolic
// links, as SQLite does.
func realPath(url string) (string, error) {
	path, err := pathOf(url)
	if err != nil {
		return "", err
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path, nil
}

// examine fills the rest in.
func (x *Examination) examine(ctx context.Context) (err error) {
	name := readerDSN(x.Path)
	if mayOnlyRead(x.Path) {
		var only onlyReading
		if only, err = onlyRead(x.Path); err != nil {
			return err
		}
		name = only.dsn
		defer func() { err = cmp.Or(only.check(), err) }()
	}
	conn, err := connect(ctx, name)
	if err != nil {
		return err
	}
	defer conn.Close()
	if x.Version, err = userVersion(ctx, conn.Conn); err != nil {
		return err
	}
	if x.Version > x.Newest { // the version may be in the log only
		return backend.NewerError(x.Version, x.Newest)
	}
	if err := x.check(ctx, conn); err != nil || len(x.Faults) > 0 {
		return err
	}
	const newest = `SELECT coalesce(max(max(first_seen, last_seen, coalesce(passed_at, 0))), 0) FROM triplet`
	return conn.QueryRowContext(ctx, newest).Scan(&x.NewestTime)
}

// check runs SQLite's check, which returns "ok" or a row for each fault.
func (x *Examination) check(ctx context.Context, conn *connection) error {
	rows, err := conn.QueryContext(ctx, fmt.Sprintf(`PRAGMA integrity_check(%d)`, maxFaults))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		if line != "ok" {
			x.Faults = append(x.Faults, strings.Join(strings.Fields(line), " "))
		}
	}
	return rows.Err()
}

// Quarantined returns the quarantined databases of the url's path: PATH.corrupt-TIME.
func Quarantined(url string) ([]string, error) {
	path, err := realPath(url)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		stamp, ok := strings.CutPrefix(e.Name(), filepath.Base(path)+".corrupt-")
		if ok && !strings.Contains(stamp, "-") { // else it is a part of one, such as its log
			files = append(files, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	return files, nil
}
