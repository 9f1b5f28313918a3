// Package watch checks what is shipped for watching the daemon, alert rules and
// a dashboard, against the numbers that the real program serves, by a real
// Prometheus.
package watch

import (
	"os"
	"testing"

	"greyglass/e2e/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.MainWithProgram(m, lab.Prometheus)) }
