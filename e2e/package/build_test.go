package pkg

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The same sources give the same files, bit for bit, wherever they lie and
// whatever the mask of who builds them.
func TestBuiltTwice(t *testing.T) {
	t.Parallel()
	copied, again := t.TempDir(), t.TempDir()
	script := `umask 077; cd "$1"; git ls-files -z -co --exclude-standard | xargs -0 cp --parents -t "$2" && cd "$2" && go run ./contrib/package -arch amd64 -dist "$3" release`
	cmd := exec.Command("sh", "-c", script, "sh", tree, copied, again)
	commit, err := exec.Command("git", "-C", tree, "log", "-1", "--format=%ct%n%an%n%ae").Output()
	if err != nil {
		t.Fatal(err)
	}
	about := strings.Split(string(commit), "\n")
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+about[0], "DEBFULLNAME="+about[1], "DEBEMAIL="+about[2], "HOMEPAGE="+homepage)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	all, err := filepath.Glob(filepath.Join(again, "greyglass*"))
	if err != nil || len(all) != 5 {
		t.Fatalf("built again: %q (%v)", all, err)
	}
	for _, name := range all {
		first, err1 := os.ReadFile(filepath.Join(dist, filepath.Base(name)))
		second, err2 := os.ReadFile(name)
		if err1 != nil || err2 != nil || !bytes.Equal(first, second) {
			t.Errorf("%s differs when it is built again (%v, %v)", filepath.Base(name), err1, err2)
		}
	}
}
