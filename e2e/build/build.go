// Package build makes the program that tests drive as a process of its own.
package build

import (
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
)

// Program builds the program as "make build" does, into the file, with more flags of
// go build. In a test that runs under the race detector the program does, too, from
// the packages that are built for the test: what the detector finds ends the
// program, and stands on its standard error.
func Program(file string, flags ...string) error {
	how, cgo := "-trimpath", "CGO_ENABLED=0"
	if Race() {
		how, cgo = "-race", "CGO_ENABLED=1"
	}
	args := append([]string{"build", how, "-o", file}, flags...)
	cmd := exec.Command("go", append(args, "greyglass/cmd/greyglass")...)
	cmd.Env = append(os.Environ(), cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// Environ is an environment for the program: none of its own variables.
func Environ() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "GORACE=halt_on_error=1"}
}

// Race reports whether the tests run under the race detector. It takes five to
// ten times the memory and time.
func Race() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}
