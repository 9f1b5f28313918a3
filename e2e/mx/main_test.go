// Package mx drives several daemons that share one PostgreSQL database, as several
// MXs of one domain do.
package mx

import (
	"flag"
	"os"
	"testing"

	"greyglass/e2e/lab"
)

var (
	decisions = flag.Int("decisions", 100_000, "how many decisions TestModel asks for")
	seed      = flag.Uint64("seed", 1, "of what TestModel asks")
)

func TestMain(m *testing.M) {
	flag.Parse()
	_ = os.Setenv("GOFLAGS", "-tags=chaos") // so that its clock can be set
	os.Exit(lab.MainWithProgram(m, lab.Postfix, lab.PostgreSQL))
}
