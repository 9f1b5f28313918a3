package chaos

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

var diskDeeds = []deed{
	{3, (*injector).fillDisk},
	{2, (*injector).limitFiles},
	{3, (*injector).holdLock},
}

// aWhile is from a moment up to some seconds.
func aWhile(r *rand.Rand) time.Duration { return time.Duration(100+r.IntN(4500)) * time.Millisecond }

// fillDisk leaves no room on the disk for a while.
func (i *injector) fillDisk(r *rand.Rand) {
	if !i.mounted {
		i.holdLock(r)
		return
	}
	end := i.weather.begin(diskFull)
	defer end()
	filler := filepath.Join(i.places.disk, "filler")
	defer os.Remove(filler)
	f, err := os.Create(filler)
	if err != nil {
		return // there is no room even for this
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		switch _, err := f.Write(block); {
		case errors.Is(err, syscall.ENOSPC):
			block = block[:len(block)/2]
		case err != nil:
			i.t.Error(err)
			return
		}
	}
	time.Sleep(aWhile(r))
}

// limitFiles lets no file of the daemon's grow for a while.
func (i *injector) limitFiles(r *rand.Rand) {
	d := i.daemon()
	end := i.weather.begin(fileLimit)
	defer end()
	if err := limitFiles(d.cmd.Process.Pid, uint64(4096*(1+r.IntN(100)))); err != nil {
		return // it is no more
	}
	time.Sleep(aWhile(r))
	if d.alive() {
		_ = limitFiles(d.cmd.Process.Pid, ^uint64(0))
	}
}

// holdLock keeps everybody from writing for a while.
func (i *injector) holdLock(r *rand.Rand) {
	i.holder.Lock()
	defer i.holder.Unlock()
	end := i.weather.begin(lockHeld)
	defer end()
	db, err := sql.Open("sqlite", "file:"+i.places.database+"?mode=rw&_pragma=busy_timeout(2000)")
	if err != nil {
		i.t.Error(err)
		return
	}
	defer db.Close()
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		return // such as for a full disk
	}
	defer conn.Close()
	kind := []string{"IMMEDIATE", "EXCLUSIVE"}[r.IntN(2)]
	if _, err := conn.ExecContext(ctx, "BEGIN "+kind); err != nil {
		return
	}
	time.Sleep(aWhile(r))
	_, _ = conn.ExecContext(ctx, "ROLLBACK")
}
