// Package peers drives other greylisting daemons, and imports what they remember.
package peers

import (
	"os"
	"testing"

	"greyglass/e2e/lab"
)

func TestMain(m *testing.M) {
	os.Exit(lab.MainWithProgram(m, lab.Postgrey, lab.Sqlgrey, lab.BerkeleyDB, lab.SQLite))
}
