package main

import (
	"errors"
	"os"
	"time"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/fingerprint"
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

	seen      fingerprint.Fingerprint
	settled   bool   // any later write would change seen
	complaint string // the error of the last read, which is logged once
	failed    time.Time
}

// unfinished reports whether a program may still be writing the file.
func (f *listFile) unfinished() bool { return !f.gone() && changing(f.seen, f.File) }

// gone reports whether there was no file at the last poll.
func (f *listFile) gone() bool { return f.seen == fingerprint.Fingerprint{} }

// retry reports whether to read an unchanged file again that could not be read: the
// cause may be over, such as too many open files.
func (f *listFile) retry() bool { return f.complaint != "" && time.Since(f.failed) > retryAfter }

// changing reports whether a program may still be writing the file at a path.
func changing(f fingerprint.Fingerprint, path string) bool {
	age := f.Age()
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

// begin begins to watch a file that was just read. It may have been written since, so
// it will be read again.
func (f *listFile) begin() {
	if f.File != "" {
		f.seen = fingerprint.Of(f.File)
	}
	f.settled = f.gone()
}

// poll reports whether the file was edited since the last poll, or has settled since
// then and must be read once more.
func (f *listFile) poll() (edited, settled bool) {
	if f.File == "" {
		return false, false
	}
	now := fingerprint.Of(f.File)
	if now != f.seen && changing(now, f.File) {
		return false, false
	}
	old := now.Age() > settleAfter && (f.settled || !changing(now, f.File))
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
	if fingerprint.Of(f.File) != f.seen {
		return nil, errChanged
	}
	return list, err
}
