// Package e2e drives the real program, behind real mail servers, as clients that Greyglass does not know
// on the network do.
package e2e

import (
	"flag"
	"os"
	"testing"

	"greyglass/e2e/lab"
)

func TestMain(m *testing.M) {
	// The tests wait more than they work, so more of them than processors may run.
	flag.Parse()
	_ = flag.Set("test.parallel", "8")
	os.Exit(lab.MainWithProgram(m, lab.Postfix, lab.Sendmail, lab.Exim, lab.SQLite))
}
