package main

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"greyglass/cmd/greyglass/internal/config"
)

const (
	// settleAfter is how old a file's times must be to differ from those of any later
	// write: file systems store them in steps of up to a second.
	settleAfter = time.Second

	// writing is how long after a change a program may still be writing the file.
	writing = 100 * time.Millisecond

	// unfinishedAfter is the same for an empty file, and for one whose last line has no
	// newline: the program that writes it may have paused.
	unfinishedAfter = 3 * time.Second

	// retryAfter is the delay before a file that could not be read is read again.
	retryAfter = 10 * time.Second
)

// listFile is a list file that is being watched.
type listFile struct {
	config.ListFile
	name string // for package watch

	seen      fingerprint
	settled   bool   // any later write would change seen
	complaint string // the error of the last read, which is logged once
	failed    time.Time
}

// unfinished reports whether a program may still be writing the file.
func (f *listFile) unfinished() bool { return !f.gone() && f.seen.changing(f.File) }

// gone reports whether there was no file at the last poll.
func (f *listFile) gone() bool { return f.seen == fingerprint{} }

// retry reports whether to read an unchanged file again that could not be read: the
// cause may be over, such as too many open files.
func (f *listFile) retry() bool { return f.complaint != "" && time.Since(f.failed) > retryAfter }

// fingerprint changes when a file does. The zero value means that there is no file.
type fingerprint struct {
	device, inode  uint64
	size           int64
	written, moved unix.Timespec // mtime, ctime
}

// modified returns when the file was written; the zero time if there is none.
func (f fingerprint) modified() time.Time {
	if f == (fingerprint{}) {
		return time.Time{}
	}
	return time.Unix(f.written.Unix())
}

func fingerprintOf(path string) fingerprint {
	var s unix.Stat_t
	err := unix.Stat(path, &s)
	for errors.Is(err, unix.EINTR) {
		err = unix.Stat(path, &s)
	}
	if err != nil {
		return fingerprint{}
	}
	return fingerprint{s.Dev, s.Ino, s.Size, s.Mtim, s.Ctim}
}

// changing reports whether a program may still be writing the file.
func (p fingerprint) changing(path string) bool {
	age := p.age()
	return age >= 0 && (age < writing || age < unfinishedAfter && unterminated(path))
}

// unterminated reports whether a file is empty, or its last line has no newline.
func unterminated(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	if info.Size() == 0 {
		return true
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var last [1]byte
	_, err = f.ReadAt(last[:], info.Size()-1)
	return err == nil && last[0] != '\n'
}

func (p fingerprint) age() time.Duration { return time.Since(time.Unix(p.moved.Unix())) }

// begin begins to watch a file that was just read. It may have been written since, so
// it will be read again.
func (f *listFile) begin() {
	if f.File != "" {
		f.seen = fingerprintOf(f.File)
	}
	f.settled = f.gone()
}

// poll reports whether the file was edited since the last poll, or has settled since
// then and must be read once more.
func (f *listFile) poll() (edited, settled bool) {
	if f.File == "" {
		return false, false
	}
	now := fingerprintOf(f.File)
	if now != f.seen && now.changing(f.File) {
		return false, false
	}
	old := now.age() > settleAfter && (f.settled || !now.changing(f.File))
	edited, settled = now != f.seen, old && !f.settled
	f.seen, f.settled = now, old
	return edited, settled
}

// errChanged: the file was written while it was read.
var errChanged = errors.New("changed meanwhile")

// read reads the list as it was at the last poll. It returns errChanged if the file has
// been written since, so that the list may be incomplete.
func (f *listFile) read() (config.List, error) {
	list, err := f.Read()
	if fingerprintOf(f.File) != f.seen {
		return nil, errChanged
	}
	return list, err
}
