//go:build !linux

package chaos

import "errors"

var errLinux = errors.New("only on Linux")

func enterNamespace() {}

func mountDisk(string, int) (func(), error) { return nil, errLinux }
func remount(string, bool) error            { return errLinux }
func limitFiles(int, uint64) error          { return errLinux }
