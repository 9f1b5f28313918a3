package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the generated files")

// TestGeneratedFiles holds the committed files to the table of options.
func TestGeneratedFiles(t *testing.T) {
	contrib := filepath.Join("..", "..", "..", "..", "contrib")
	for name, want := range map[string][]byte{
		"greyglass.toml":    Sample(),
		"greyglass.toml.md": Reference(),
	} {
		file := filepath.Join(contrib, name)
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s has drifted from the table of options; run go generate ./...", name)
		}
	}
}

func TestSampleIsTheDefaults(t *testing.T) {
	defaults := mustLoad(t, Source{}).Config
	keys := regexp.MustCompile(`(?m)^#([a-z_0-9]+ = )`)
	if n := len(keys.FindAll(Sample(), -1)); n != len(byKey) {
		t.Errorf("the sample has %d keys, the table %d", n, len(byKey))
	}
	for name, document := range map[string][]byte{
		"as it is":    Sample(),
		"uncommented": keys.ReplaceAll(Sample(), []byte("$1")),
	} {
		l := mustLoad(t, Source{File: write(t, string(document))})
		wantEqual(t, name, l.Config, defaults)
	}
}

func TestSampleFitsAnEditor(t *testing.T) {
	for _, line := range bytes.Split(Sample(), []byte("\n")) {
		if bytes.HasPrefix(line, []byte("# ")) && len(line) > 80 {
			t.Errorf("longer than 80 characters: %s", line)
		}
	}
}

func TestEveryOptionIsDocumented(t *testing.T) {
	for key, o := range byKey {
		if o.Comment == "" || o.Doc == "" {
			t.Errorf("%s has no comment or no documentation", key)
		}
	}
}
