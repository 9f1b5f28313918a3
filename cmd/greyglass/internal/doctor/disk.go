package doctor

import (
	"context"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"
)

// What should be free on a disk, in bytes and as a share.
const (
	leastSpace   = 100 << 20
	leastPercent = 5
)

// checkDisk checks whether there is room for the database.
func checkDisk(_ context.Context, v *exam) {
	file, isFile := v.config.Store.SQLite()
	if !isFile {
		v.ok("not used for the database")
		return
	}
	folder, err := filepath.Abs(filepath.Dir(file))
	for err == nil && folder != "/" {
		if _, missing := os.Stat(folder); missing == nil {
			break
		}
		folder = filepath.Dir(folder)
	}
	free, total, err := v.Machine.Space(folder)
	if err != nil || total == 0 {
		v.warn("see what 'df "+folder+"' says", "the free space in %s is not known: %v", folder, err)
		return
	}
	left, percent := humanize.IBytes(free), free/max(total/100, 1)
	switch {
	case free == 0:
		v.wrong("make room: a full disk stops greylisting", "is full (%s)", folder)
	case free < leastSpace || percent < leastPercent:
		v.warn("make room: a full disk stops greylisting", "only %s left (%d %%) in %s", left, percent, folder)
	default:
		v.ok("%s left (%d %%) in %s", left, percent, folder)
	}
}
