package lab

import (
	"os"
	"path/filepath"
	"testing"
)

// Chromium is the browser that reads the web page, see [Browser]. AxeCore is a script that
// finds faults of accessibility in it, see [Text].
const (
	Chromium MTA = "chromium"
	AxeCore  MTA = "axe-core"
)

func init() {
	softwareOf[Chromium] = software{[]string{"chromium", "fonts-dejavu-core"}, "usr/lib/chromium/chromium"}
}

// installedBrowser is this machine's own, which is taken where it is installed.
const installedBrowser = "/usr/bin/chromium"

func browserInstalled() bool {
	_, err := os.Stat(installedBrowser)
	return err == nil
}

// Browser is the path of the browser, and what its environment has besides the test's own.
func Browser(t testing.TB) (program string, environ []string) {
	t.Helper()
	Require(t)
	if browserInstalled() {
		return installedBrowser, nil
	}
	root, dir := rootOf(Chromium), Dir(t)
	fonts := filepath.Join(dir, "fonts.conf")
	text := "<fontconfig><dir>" + filepath.Join(root, "usr/share/fonts") + "</dir><cachedir>" + dir + "</cachedir></fontconfig>\n"
	if err := os.WriteFile(fonts, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return probeIn(root, Chromium), []string{"LD_LIBRARY_PATH=" + libraryPath(root), "FONTCONFIG_FILE=" + fonts, "HOME=" + dir}
}
