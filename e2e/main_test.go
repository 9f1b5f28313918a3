// Package e2e drives the real program, behind real mail servers, as strangers
// on the network do.
package e2e

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"greyglass/e2e/build"
	"greyglass/e2e/lab"
)

// binaryVar holds the path of the program under test across the move into the
// lab's namespace, in which nothing can be fetched and built any more.
const binaryVar = "GREYGLASS_E2E_BINARY"

func TestMain(m *testing.M) {
	if !lab.InNetns() {
		dir, err := os.MkdirTemp("", "greyglass-e2e-")
		binary := filepath.Join(dir, "greyglass")
		if err == nil {
			err = errors.Join(build.Program(binary), os.Setenv(binaryVar, binary))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	// The tests wait more than they work, so more of them than processors may run.
	flag.Parse()
	_ = flag.Set("test.parallel", "8")
	status := lab.Main(m, lab.Postfix, lab.Sendmail, lab.Exim, lab.SQLite)
	_ = os.RemoveAll(filepath.Dir(os.Getenv(binaryVar)))
	os.Exit(status)
}
