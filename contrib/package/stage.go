package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// stage is a folder with all that the packages of an architecture are made of.
type stage struct{ dir, arch string }

func (st stage) path(name string) string { return filepath.Join(st.dir, name) }

func newStage(src source, arch string) (st stage, err error) {
	dir, err := os.MkdirTemp("", "greyglass-package-")
	if err != nil {
		return st, err
	}
	st = stage{dir, arch}
	copyright, err := debianCopyright(src)
	err = errors.Join(err,
		compile(arch, st.path("greyglass")),
		stageManual(dir),
		writeGzip(st.path("changelog.gz"), []byte(debianChangelog(src.releases, src.maintainer))),
		writeRPMChangelog(st.path("changelog.yaml"), src.releases, src.maintainer),
		stageNews(src, st.path("NEWS.Debian.gz")),
		os.WriteFile(st.path("copyright"), []byte(copyright), 0o644),
		stageFiles(dir),
		stagePages(dir),
	)
	if err != nil {
		os.RemoveAll(dir)
	}
	return st, err
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

// stageFiles copies what is shipped as it is, with the permissions that it is to
// have: those of the sources depend on who checked them out.
func stageFiles(stage string) error {
	for _, name := range []string{"README.md", "LICENSE"} {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(stage, name), text, 0o644); err != nil {
			return err
		}
	}
	if err := os.CopyFS(filepath.Join(stage, "contrib"), os.DirFS("contrib")); err != nil {
		return err
	}
	return filepath.WalkDir(stage, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.Chmod(path, 0o755)
		}
		return os.Chmod(path, 0o644)
	})
}

// stageManual compresses the manual, as Debian's policy has it (12.1).
func stageManual(stage string) error {
	pages, err := filepath.Glob("contrib/man/*.[1-9]")
	if err != nil {
		return err
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		dir := filepath.Join(stage, "man", "man"+filepath.Ext(page)[1:])
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := writeGzip(filepath.Join(dir, filepath.Base(page)+".gz"), text); err != nil {
			return err
		}
	}
	return nil
}

// writeGzip writes what "gzip -9n" does: neither name nor time.
func writeGzip(file string, text []byte) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}
