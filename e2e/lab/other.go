//go:build !linux

package lab

import (
	"errors"
	"os/exec"
)

var errNotLinux = errors.New("it needs Linux")

func checkNamespaces() error { return errNotLinux }

// EnterNetns moves the process into a network namespace, which only Linux has.
func EnterNetns() error { return unavailable(errNotLinux) }

// InNetns tells whether this process is in a network namespace that
// EnterNetns made.
func InNetns() bool { return false }

var documentation []string

func startPrivately(*exec.Cmd, string) error { return errNotLinux }
