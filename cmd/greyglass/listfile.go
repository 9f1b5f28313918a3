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

	// writing is how recent a change must be for the file to be still written to; it
	// is read at a later look.
	writing = 100 * time.Millisecond

	// unfinishedAfter is for how long a file must have been still that is empty, or
	// whose last line has no end: a program that writes it may have paused.
	unfinishedAfter = 3 * time.Second

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

// unfinished reports whether the file may be still written to.
func (f *listFile) unfinished() bool { return !f.gone() && f.seen.changing(f.File) }

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

// changing reports whether the file may be still written to.
func (p fingerprint) changing(path string) bool {
	age := p.age()
	return age >= 0 && (age < writing || age < unfinishedAfter && unterminated(path))
}

// unterminated reports whether a file is empty, or its last line has no end.
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
	if now != f.seen && now.changing(f.File) {
		return false, false
	}
	old := now.age() > settleAfter && (f.settled || !now.changing(f.File))
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
