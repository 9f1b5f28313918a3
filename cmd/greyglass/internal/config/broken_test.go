package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBroken loads each broken configuration, which must give the problems that
// stand beside it.
func TestBroken(t *testing.T) {
	t.Chdir(filepath.Join("testdata", "broken"))
	files, err := filepath.Glob("*.toml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			_, err := Load(Source{File: file, FileRequired: true, Set: noLists(file)})
			problems := new(Problems)
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			got := problems.Error() + "\n"
			golden := strings.TrimSuffix(file, ".toml") + ".want"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if strings.Contains(got, "secret") {
				t.Error("a problem shows a password")
			}
		})
	}
}

// noLists keeps the list files of this machine out of a test that has none.
func noLists(file string) []string {
	if document, err := os.ReadFile(file); err == nil && strings.Contains(string(document), "_file") {
		return nil
	}
	return []string{"blocked.senders_file=", "blocked.exceptions_file="}
}
