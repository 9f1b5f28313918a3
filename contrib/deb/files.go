package main

import (
	"io/fs"
	"os"
	"path/filepath"
)

// stageFiles copies what is shipped as it is, with the permissions that it is to
// have: those of the sources depend on who checked them out.
func stageFiles(stage string) error {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(stage, "README.md"), readme, 0o644); err != nil {
		return err
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
