// Package watch checks what is shipped for watching the daemon, alert rules and
// a dashboard, against the numbers that the real program serves, by a real
// Prometheus.
package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"greyglass/e2e/build"
	"greyglass/e2e/lab"
)

// binaryVar holds the path of the program under test across the move into the
// lab's namespace, in which nothing can be fetched and built any more.
const binaryVar = "GREYGLASS_WATCH_BINARY"

func TestMain(m *testing.M) {
	if !lab.InNetns() {
		dir, err := os.MkdirTemp("", "greyglass-watch-")
		binary := filepath.Join(dir, "greyglass")
		if err == nil {
			err = errors.Join(build.Program(binary), os.Setenv(binaryVar, binary))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	status := lab.Main(m, lab.Prometheus)
	_ = os.RemoveAll(filepath.Dir(os.Getenv(binaryVar)))
	os.Exit(status)
}
