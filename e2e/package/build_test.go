package pkg

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The same sources give the same packages, bit for bit, wherever they lie and
// whatever the mask of who builds them.
func TestBuiltTwice(t *testing.T) {
	t.Parallel()
	copied, again := t.TempDir(), t.TempDir()
	script := `umask 077; cd "$1"; git ls-files -z -co --exclude-standard | xargs -0 cp --parents -t "$2" && cd "$2" && go run ./contrib/deb -dist "$3"`
	cmd := exec.Command("sh", "-c", script, "sh", tree, copied, again)
	commit, err := exec.Command("git", "-C", tree, "log", "-1", "--format=%ct%n%an%n%ae").Output()
	if err != nil {
		t.Fatal(err)
	}
	about := strings.Split(string(commit), "\n")
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+about[0], "DEBFULLNAME="+about[1], "DEBEMAIL="+about[2])
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		one := file(t, arch)
		first, err1 := os.ReadFile(one)
		second, err2 := os.ReadFile(filepath.Join(again, filepath.Base(one)))
		if err1 != nil || err2 != nil || !bytes.Equal(first, second) {
			t.Errorf("%s differs when it is built again (%v, %v)", filepath.Base(one), err1, err2)
		}
	}
}
