// Package pkg makes a release, installs the Debian package in throw-away machines, with
// systemd as their first process, and looks at all that is released with the tools that
// Debian has for that.
package pkg

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"greyglass/e2e/lab"
)

var (
	// server is a machine on which Greyglass, Postfix, OpenDKIM and postgrey can be installed.
	server = lab.Debian{
		Name:     "debian-mx",
		Packages: []string{"systemd", "systemd-sysv", "dbus", "iproute2", "swaks", "sqlite3", "strace"},
		AtHand:   []string{"postfix", "opendkim", "postgrey", "db-util"},
	}
	tools = lab.Debian{
		Name:     "debian-checks",
		Packages: []string{"lintian", "mandoc", "shellcheck", "systemd", "apparmor", "bash-completion", "fish", "zsh", "rpm", "rpmlint", "skopeo", "umoci"},
	}
)

var (
	tree string // the top of the sources
	dist string // the folder of the packages

	noDebian error // why there are no machines, if so
)

func TestMain(m *testing.M) { os.Exit(buildAndTest(m)) }

func buildAndTest(m *testing.M) int {
	var err error
	if tree, err = filepath.Abs(filepath.Join("..", "..")); err == nil {
		dist, err = os.MkdirTemp("", "greyglass-dist-")
	}
	if err == nil {
		defer os.RemoveAll(dist)
		err = buildPackages(tree, dist)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	noDebian = lab.PrepareDebian(server, tools)
	return m.Run()
}

// homepage is where a public clone might have come from.
const homepage = "https://git.example.org/greyglass"

// buildPackages does what "make release" does.
func buildPackages(tree, dist string) error {
	cmd := exec.Command("go", "run", "./contrib/package", "-dist", dist, "release")
	cmd.Dir = tree
	cmd.Env = append(os.Environ(), "HOMEPAGE="+homepage)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("making the packages: %w\n%s", err, out)
	}
	return nil
}

// file is the path of the package of an architecture.
func file(t *testing.T, arch string) string {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(dist, "greyglass_*_"+arch+".deb"))
	if len(found) != 1 {
		t.Fatalf("the packages of %s are %v, want one", arch, found)
	}
	return found[0]
}

// machine boots a machine that has our package as /root/greyglass.deb.
func machine(t *testing.T) *lab.Machine {
	t.Helper()
	lab.SkipOrFail(t, noDebian)
	m := lab.Boot(t, server)
	bring(t, m, file(t, runtime.GOARCH), "/root/greyglass.deb")
	return m
}

// bring copies a file into a machine.
func bring(t *testing.T, m *lab.Machine, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(m.Path(to), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// inTools runs a command among the tools, with the sources in a copy as /work/tree
// and the packages in /work/dist.
func inTools(t *testing.T, command string) (output string, err error) {
	t.Helper()
	lab.SkipOrFail(t, noDebian)
	work := t.TempDir()
	for name, from := range map[string]string{"contrib": filepath.Join(tree, "contrib"), "dist": dist, "ci": filepath.Join(tree, ".ci"), "lab": filepath.Join(tree, "e2e", "lab")} {
		if err := os.CopyFS(filepath.Join(work, name), os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	out, err := tools.Command(work, command).CombinedOutput()
	return string(out), err
}
