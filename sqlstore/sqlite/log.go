package sqlite

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// room is what the log is made longer by at a time. It is never changed.
var room [256 << 10]byte

// errSync is wrapped by the failure to make durable what was committed.
var errSync = errors.New("sqlstore: the write-ahead log does not reach the disk")

// commitLog is the write-ahead log, as the writer makes durable what it has
// committed. SQLite would do that at the end of a commit with synchronous=FULL, and
// leaves it out with NORMAL, which is all that there is between the two
// (sqlite.org/pragma.html#pragma_synchronous). Here it takes half as long, since
// the file grows before, and not with each commit, whose content alone is then to be written.
type commitLog struct {
	*os.File
	grew bool // in a commit
}

func openLog(path string) (*commitLog, error) {
	f, err := os.OpenFile(walOf(path), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &commitLog{File: f}, nil
}

func (l *commitLog) identity() (identity, error) {
	var st syscall.Stat_t
	err := syscall.Fstat(int(l.Fd()), &st)
	return identityOf(&st), os.NewSyscallError("fstat", err)
}

// makeRoom fills the log up with zeros, which are no frames
// (sqlite.org/fileformat.html, section 4.1). The caller holds the lock for
// writing, so that nobody else appends to it. That there is no room left on the
// disk is for SQLite to find out.
func (l *commitLog) makeRoom() {
	l.grew = false
	if info, err := l.Stat(); err == nil {
		_, _ = l.WriteAt(room[:], info.Size())
	}
}

// reachDisk returns when what is in the log survives a power cut (fdatasync(2)).
func (l *commitLog) reachDisk() error {
	for {
		switch err := syscall.Fdatasync(int(l.Fd())); err {
		case nil:
			return nil
		case syscall.EINTR:
		default:
			return fmt.Errorf("%w: %w", errSync, err)
		}
	}
}
