package main

import (
	"compress/gzip"
	"os"
	"path/filepath"
)

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
