// Deb makes the Debian packages of Greyglass, dist/greyglass_VERSION_ARCH.deb.
// It is run from the top of the tree, as "make deb" does. The same tree gives
// the same packages, bit for bit: their only time is that of the last commit,
// or SOURCE_DATE_EPOCH (reproducible-builds.org), and their maintainer its author,
// or DEBFULLNAME and DEBEMAIL.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0"

var architectures = []string{"amd64", "arm64"}

func main() {
	dist := flag.String("dist", "dist", "the `FOLDER` to write to")
	only := flag.String("arch", "", "build for this `ARCHITECTURE` only")
	flag.Parse()
	if *only != "" {
		architectures = []string{*only}
	}
	if err := build(*dist); err != nil {
		fmt.Fprintln(os.Stderr, "deb:", err)
		os.Exit(1)
	}
}

func build(dist string) error {
	at, err := sourceDate()
	if err != nil {
		return err
	}
	maintainer, err := theMaintainer()
	if err != nil {
		return err
	}
	about, err := output("go", "run", "./cmd/greyglass", "version")
	if err != nil {
		return err
	}
	version := strings.Fields(about)[1]
	if err := os.MkdirAll(dist, 0o755); err != nil {
		return err
	}
	for _, arch := range architectures {
		if err := one(dist, version, arch, maintainer, at); err != nil {
			return err
		}
	}
	return nil
}

// one builds the package of one architecture.
func one(dist, version, arch, maintainer string, at time.Time) error {
	stage, err := os.MkdirTemp("", "greyglass-deb-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	err = errors.Join(
		compile(arch, filepath.Join(stage, "greyglass")),
		stageManual(stage),
		stageChangelog(filepath.Join(stage, "changelog.gz"), version, maintainer, at),
		stageCopyright(filepath.Join(stage, "copyright")),
		stageFiles(stage),
	)
	if err != nil {
		return err
	}
	recipe, err := os.ReadFile("contrib/deb/nfpm.yaml")
	if err != nil {
		return err
	}
	variables := map[string]string{
		"ARCH": arch, "VERSION": version, "STAGE": stage, "MAINTAINER": maintainer, "MTIME": at.Format(time.RFC3339),
	}
	filled := filepath.Join(stage, "nfpm.yaml")
	if err := os.WriteFile(filled, []byte(os.Expand(string(recipe), func(v string) string { return variables[v] })), 0o644); err != nil {
		return err
	}
	target := filepath.Join(dist, "greyglass_"+version+"_"+arch+".deb")
	cmd := exec.Command("go", "run", nfpm, "package", "--packager", "deb", "--config", filled, "--target", target)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nfpm: %w\n%s", err, out)
	}
	fmt.Println(target)
	return nil
}

// compile builds the program without anything that differs from one machine or
// tree to the next.
func compile(arch, file string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", file, "./cmd/greyglass")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// sourceDate is the one time that the packages hold.
func sourceDate() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		var err error
		if text, err = output("git", "log", "-1", "--format=%ct"); err != nil {
			return time.Time{}, fmt.Errorf("no date; build in a clone, or set SOURCE_DATE_EPOCH: %w", err)
		}
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is no number of seconds: %q", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// theMaintainer is the one that DEBFULLNAME and DEBEMAIL name, as for Debian's own
// tools, else the author of the last commit.
func theMaintainer() (string, error) {
	if name, email := os.Getenv("DEBFULLNAME"), os.Getenv("DEBEMAIL"); name != "" && email != "" {
		return fmt.Sprintf("%s <%s>", name, email), nil
	}
	author, err := output("git", "log", "-1", "--format=%an <%ae>")
	if err != nil {
		return "", fmt.Errorf("no maintainer; build in a clone, or set DEBFULLNAME and DEBEMAIL: %w", err)
	}
	return strings.TrimSpace(author), nil
}

func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	return string(out), err
}
