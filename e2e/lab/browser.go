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

// Browser is the path of the browser, what its environment has besides the test's own, and a
// new folder for what it writes, which the caller removes.
func Browser() (program string, environ []string, dir string, err error) {
	if dir, err = newRunFolder("browser"); err != nil {
		return "", nil, "", err
	}
	environ = []string{"HOME=" + dir}
	if browserInstalled() {
		return installedBrowser, environ, dir, nil
	}
	root, fonts := rootOf(Chromium), filepath.Join(dir, "fonts.conf")
	text := "<fontconfig><dir>" + filepath.Join(root, "usr/share/fonts") + "</dir><cachedir>" + dir + "</cachedir></fontconfig>\n"
	if err := os.WriteFile(fonts, []byte(text), 0o644); err != nil {
		return "", nil, dir, err
	}
	return probeIn(root, Chromium), append(environ, "LD_LIBRARY_PATH="+libraryPath(root), "FONTCONFIG_FILE="+fonts), dir, nil
}

// Pictures is the folder in which a test leaves pictures for a look: the one that an
// environment variable names, or one that stays in the cache.
func Pictures(t testing.TB, variable string) string {
	t.Helper()
	Require(t)
	folder := os.Getenv(variable)
	if folder == "" {
		folder = filepath.Join(cacheDir(), "pictures")
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Logf("pictures are in %s; the variable %s names another folder", folder, variable)
	return folder
}
