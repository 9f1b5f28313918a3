package web

import (
	"os"
	"syscall"
)

// version is different when a file was changed. A missing file has the zero version.
type version struct {
	device, inode     uint64
	size              int64
	modified, changed syscall.Timespec
}

func versionOf(file string) version {
	info, err := os.Stat(file)
	if err != nil {
		return version{}
	}
	s := info.Sys().(*syscall.Stat_t)
	return version{uint64(s.Dev), s.Ino, s.Size, s.Mtim, s.Ctim}
}
