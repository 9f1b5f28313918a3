// Package fingerprint tells whether a file has changed, without reading it.
package fingerprint

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Fingerprint changes when a file does. The zero value means that there is no file.
type Fingerprint struct {
	device, inode  uint64
	size           int64
	written, moved unix.Timespec // mtime, ctime
}

// Of returns the fingerprint of the file at a path; the zero value if it is out of reach.
func Of(path string) Fingerprint {
	var s unix.Stat_t
	err := unix.Stat(path, &s)
	for errors.Is(err, unix.EINTR) {
		err = unix.Stat(path, &s)
	}
	if err != nil {
		return Fingerprint{}
	}
	return Fingerprint{s.Dev, s.Ino, s.Size, s.Mtim, s.Ctim}
}

// Written returns when the file was written; the zero time if there is none.
func (f Fingerprint) Written() time.Time {
	if f == (Fingerprint{}) {
		return time.Time{}
	}
	return time.Unix(f.written.Unix())
}

// Age is how long ago the file, or what the file system stores about it, was changed.
func (f Fingerprint) Age() time.Duration { return time.Since(time.Unix(f.moved.Unix())) }
