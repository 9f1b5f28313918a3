package lab

import (
	"errors"
	"io"
	"os"
)

// CopyFile copies a file, such as a database that no program writes to, to another,
// which is replaced. The error wraps fs.ErrNotExist if there is no such file.
func CopyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// ReplaceFile writes a file as editors do: beside it, and then in its place.
func ReplaceFile(file, text string) error {
	if err := os.WriteFile(file+".new", []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
