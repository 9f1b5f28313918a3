// Package web uses the web page of the real program in a real browser, beside a real mail
// server, as the person does who answers the phone.
package web

import (
	"flag"
	"os"
	"testing"

	"greyglass/e2e/lab"
)

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "2")
	status := lab.MainWithProgram(m, lab.Postfix, lab.Chromium, lab.AxeCore)
	closeBrowser()
	os.Exit(status)
}
