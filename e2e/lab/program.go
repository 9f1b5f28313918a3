package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"greyglass/e2e/build"
)

// programVar holds the path of the program under test across the move into the
// network namespace, in which nothing can be fetched and built any more.
const programVar = "GREYGLASS_LAB_PROGRAM"

// MainWithProgram is [Main] for tests that drive the program, which it builds
// before. It returns 1 if that fails.
func MainWithProgram(m *testing.M, mtas ...MTA) int {
	if !InNetns() {
		dir, err := os.MkdirTemp("", "greyglass-program-")
		program := filepath.Join(dir, "greyglass")
		if err == nil {
			err = errors.Join(build.Program(program), os.Setenv(programVar, program))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	status := Main(m, mtas...)
	_ = os.RemoveAll(filepath.Dir(Program()))
	return status
}

// Program is the path of what [MainWithProgram] has built.
func Program() string { return os.Getenv(programVar) }
