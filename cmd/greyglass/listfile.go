package main

import (
	"errors"
	"os"
	"syscall"
	"time"

	"greyglass/cmd/greyglass/internal/config"
)

const (
	// settleAfter is how old a file's times must be to tell it from any later
	// one: file systems keep them in steps of up to a second.
	settleAfter = time.Second

	// writing is how recent a change must be for somebody to be still at it; the
	// file is read at a later look. A file that is empty may be one that an editor has
	// not filled yet, on a busy machine: it is given settleAfter.
	writing = 100 * time.Millisecond

	// retryAfter is how long a file that could not be read is left alone.
	retryAfter = 10 * time.Second
)

// listFile is a list file that is being watched.
type listFile struct {
	config.ListFile
	name string // by which package watch knows it

	seen      fingerprint
	settled   bool   // seen is old enough that no later write can have left it as it is
	complaint string // of the last read, so that it is logged once
	failed    time.Time
}

// emptied reports whether the file had nothing in it at the last look, and may be
// one that an editor has not filled yet.
func (f *listFile) emptied() bool { return f.seen.size == 0 && !f.gone() && f.seen.changing() }

// gone reports whether there was no file at the last look.
func (f *listFile) gone() bool { return f.seen == fingerprint{} }

// retry reports whether to read once more what could not be read, because the
// reason may have gone, such as too many open files, without the file's changing.
func (f *listFile) retry() bool { return f.complaint != "" && time.Since(f.failed) > retryAfter }

// fingerprint changes when a file does. Its zero value is that of no file.
type fingerprint struct {
	device, inode  uint64
	size           int64
	written, moved syscall.Timespec // mtime, ctime
}

// modified is when the file was written; the zero time if there is none.
func (f fingerprint) modified() time.Time {
	if f == (fingerprint{}) {
		return time.Time{}
	}
	return time.Unix(f.written.Unix())
}

func fingerprintOf(path string) fingerprint {
	info, err := os.Stat(path)
	if err != nil {
		return fingerprint{}
	}
	s := info.Sys().(*syscall.Stat_t)
	return fingerprint{uint64(s.Dev), s.Ino, s.Size, s.Mtim, s.Ctim}
}

// changing reports whether somebody may be still at it.
func (p fingerprint) changing() bool {
	age := p.age()
	return age >= 0 && (age < writing || p.size == 0 && age < settleAfter)
}

func (p fingerprint) age() time.Duration { return time.Since(time.Unix(p.moved.Unix())) }

// begin begins to watch a file that was just read. It may have been written
// since, so it is read once more.
func (f *listFile) begin() {
	if f.File != "" {
		f.seen = fingerprintOf(f.File)
	}
	f.settled = f.gone()
}

// look reports whether the file was edited since the last look, or has settled
// since then and is to be read once more.
func (f *listFile) look() (edited, settled bool) {
	if f.File == "" {
		return false, false
	}
	now := fingerprintOf(f.File)
	if now != f.seen && now.changing() {
		return false, false
	}
	old := now.age() > settleAfter
	edited, settled = now != f.seen, old && !f.settled
	f.seen, f.settled = now, old
	return edited, settled
}

// errChanged means that the file was written while it was read.
var errChanged = errors.New("changed meanwhile")

// read reads the list as it was at the last look. Its error is errChanged where
// somebody has begun to write the file since: what was read may be half of it.
func (f *listFile) read() (config.List, error) {
	list, err := f.Read()
	if fingerprintOf(f.File) != f.seen {
		return nil, errChanged
	}
	return list, err
}
