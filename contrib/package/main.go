// Package makes what a release of Greyglass consists of: Debian and RPM packages, OCI
// images, checksums, an SBOM and release notes, in dist/. It is run from the top of the
// tree, as "make release" does. The same tree gives the same files, bit for bit: their
// only time is that of the last commit, or SOURCE_DATE_EPOCH (reproducible-builds.org),
// their maintainer its author, or DEBFULLNAME and DEBEMAIL, and their home page where
// the clone came from, or HOMEPAGE.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// kinds are what can be made for each architecture. A function returns the name of the file.
var kinds = map[string]func(src source, st stage, dist string) (string, error){
	"deb":   packDeb,
	"rpm":   packRPM,
	"image": packImage,
}

func main() {
	dist := flag.String("dist", "dist", "the `FOLDER` to write to")
	only := flag.String("arch", "", "build for this `ARCHITECTURE` only")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "package [flags] deb|rpm|image ... or release, which is all of them and what describes them")
		flag.PrintDefaults()
	}
	flag.Parse()
	architectures := []string{"amd64", "arm64"}
	if *only != "" {
		architectures = []string{*only}
	}
	if err := build(*dist, architectures, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

func build(dist string, architectures, wanted []string) error {
	release := slices.Equal(wanted, []string{"release"})
	if release {
		wanted = []string{"deb", "rpm", "image"}
	}
	for _, kind := range wanted {
		if kinds[kind] == nil {
			return fmt.Errorf("cannot make %q", kind)
		}
	}
	src, err := readSource()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dist, 0o755); err != nil {
		return err
	}
	var made []string
	for _, arch := range architectures {
		files, err := forArchitecture(src, dist, arch, wanted, release)
		if err != nil {
			return err
		}
		made = append(made, files...)
	}
	if release {
		notes, err := writeNotes(src, dist)
		if err != nil {
			return err
		}
		if err := writeSums(filepath.Join(dist, "SHA256SUMS"), append(made, notes)); err != nil {
			return err
		}
		made = append(made, notes, filepath.Join(dist, "SHA256SUMS"))
	}
	for _, file := range made {
		fmt.Println(file)
	}
	return nil
}

func forArchitecture(src source, dist, arch string, wanted []string, release bool) (made []string, err error) {
	st, err := newStage(src, arch)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(st.dir)) }()
	for _, kind := range wanted {
		file, err := kinds[kind](src, st, dist)
		if err != nil {
			return nil, fmt.Errorf("%s for %s: %w", kind, arch, err)
		}
		made = append(made, file)
	}
	if release {
		file, err := writeSBOM(src, st, dist)
		if err != nil {
			return nil, err
		}
		made = append(made, file)
	}
	return made, nil
}

func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	return string(out), err
}
