package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzConfig loads whatever it is given. It must never panic; each problem must
// be one line; and what is printed must read back as the same configuration.
func FuzzConfig(f *testing.F) {
	f.Add(string(Sample()), "", "")
	f.Add("[listen]\nmilter = [\n\"inet:8895\",\n]\n[[rules]]\n[\"a.b\"]\n\"c\\nd\" = 1", "GREYGLASS_RULES__ALLOWED_SENDERS=['x']", "store.url=postgres://a:b@c/")
	f.Add("greylist = { too_soon = 1.5, x.y = 2000-01-01 }", "GREYGLASS_X__Y", "rules.whitelisted_triples=[[['']]]")
	for key, o := range byKey {
		section, name, _ := strings.Cut(key, ".")
		f.Add(fmt.Sprintf("[%s]\n%s = %s", section, name, spell(o.Default)), "", key+"="+spell(o.Default))
	}
	broken, err := filepath.Glob(filepath.Join("testdata", "broken", "*.toml"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range broken {
		document, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(document), "", "")
	}
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, document, variable, set string) {
		file := filepath.Join(folder, "greyglass.toml")
		if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Load(Source{
			File:    file,
			Environ: []string{variable},
			Set:     []string{set, "blocked.senders_file=", "blocked.exceptions_file="},
		})
		if problems := new(Problems); errors.As(err, &problems) {
			if lines := strings.Count(err.Error(), "\n") + 1; lines != len(problems.List) || lines == 0 {
				t.Fatalf("%d problems on %d lines:\n%s", len(problems.List), lines, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := l.Print(&b); err != nil {
			t.Fatal(err)
		}
		if !utf8.ValidString(variable) || !utf8.ValidString(set) || !strings.HasPrefix(l.Config.Store.URL, sqliteScheme) {
			return // no TOML file can say the same
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := Load(Source{File: file})
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		wantEqual(t, b.String(), again.Config, l.Config)
	})
}
