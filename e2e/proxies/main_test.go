// Package proxies shows the web page through reverse proxies: the real nginx, Apache and
// Caddy, each with its example of contrib/web.
package proxies

import (
	"os"
	"testing"

	"greyglass/e2e/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.MainWithProgram(m, lab.Nginx, lab.Apache, lab.Caddy)) }
