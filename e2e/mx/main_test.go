// Package mx drives several daemons that share one PostgreSQL database, as several
// MXs of one domain do.
package mx

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"greyglass/e2e/lab"
)

var (
	decisions = flag.Int("decisions", 100_000, "how many decisions TestModel asks for")
	seed      = flag.Uint64("seed", 1, "of what TestModel asks")
)

// binaryVar holds the path of the program under test across the move into the
// lab's namespace, in which nothing can be fetched and built any more.
const binaryVar = "GREYGLASS_MX_BINARY"

func TestMain(m *testing.M) {
	if !lab.InNetns() {
		dir, err := os.MkdirTemp("", "greyglass-mx-")
		if err == nil {
			err = build(filepath.Join(dir, "greyglass"))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	flag.Parse()
	status := lab.Main(m, lab.Postfix, lab.PostgreSQL)
	_ = os.RemoveAll(filepath.Dir(os.Getenv(binaryVar)))
	os.Exit(status)
}

// build builds the program as "make build" does.
func build(file string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-o", file, "greyglass/cmd/greyglass")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return os.Setenv(binaryVar, file)
}
