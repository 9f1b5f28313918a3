package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/forecast"
	"greyglass/cmd/greyglass/internal/manual"
	"greyglass/greylist"
)

//go:generate go test -run ^TestManual$|^TestCompletions$|^TestPictures$ . -update

var update = flag.Bool("update", false, "rewrite the generated files")

var contrib = filepath.Join("..", "..", "contrib")

// TestManual holds the committed pages to what they are made of.
func TestManual(t *testing.T) {
	pages, err := manual.Pages(manualSource(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range pages {
		generated(t, filepath.Join("man", name), want)
	}
	committed, err := filepath.Glob(filepath.Join(contrib, "man", "*"))
	if err != nil || len(committed) != len(pages) {
		t.Errorf("there are %d pages in contrib/man, want %d (%v)", len(committed), len(pages), err)
	}
}

// Every command has its place in the manual, and every reason.
func TestManualIsWhole(t *testing.T) {
	pages, err := manual.Pages(manualSource(t))
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(pages["greyglass.8"]), `\-`, "-")
	for _, c := range new(program).root().Commands() {
		if !strings.Contains(page, "\n.SS greyglass "+c.Name()) {
			t.Errorf("greyglass(8) does not tell of %s", c.Name())
		}
	}
	for _, r := range reasons(t) {
		if !strings.Contains(page, `\fB`+r+`\fR`) {
			t.Errorf("greyglass(8) does not tell of the reason %s", r)
		}
	}
}

func manualSource(t *testing.T) manual.Source {
	t.Helper()
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(contrib, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	windows := make(map[string]string)
	var limits []config.Option
	for _, s := range config.Sections {
		for _, o := range s.Options {
			if s.Name == "limits" || slices.Contains([]string{"store.timeout", "store.max_rows", "store.history"}, o.Key) {
				limits = append(limits, o)
			}
			if name, ok := strings.CutPrefix(o.Key, "greylist."); ok {
				windows[name] = strings.Trim(o.Spelled(), `"`)
			}
		}
	}
	return manual.Source{
		Root:      new(program).root(),
		Reference: config.Reference(),
		JSON:      read("json.md"),
		Attaching: [][]byte{read("postfix/README.md"), read("sendmail/README.md"), read("exim/README.md")},
		HowTo:     read("howto.md"),
		Numbers: map[string]any{
			"Windows": windows, "Limits": limits, "Reasons": reasons(t),
			"SiteAddresses": forecast.MaxAddresses, "Grace": words(shutdownGrace), "Limit": words(shutdownLimit), "Poll": words(pollEvery), "SweepEvery": words(sweepEvery),
		},
	}
}

// TestCompletions holds the committed completions to the commands.
func TestCompletions(t *testing.T) {
	for name, generate := range map[string]func(*cobra.Command, *bytes.Buffer) error{
		"greyglass.bash": func(c *cobra.Command, b *bytes.Buffer) error { return c.GenBashCompletionV2(b, true) },
		"greyglass.zsh":  func(c *cobra.Command, b *bytes.Buffer) error { return c.GenZshCompletion(b) },
		"greyglass.fish": func(c *cobra.Command, b *bytes.Buffer) error { return c.GenFishCompletion(b, true) },
	} {
		var b bytes.Buffer
		if err := generate(new(program).root(), &b); err != nil {
			t.Fatal(err)
		}
		generated(t, filepath.Join("completion", name), b.Bytes())
	}
}

// generated compares a file of contrib with what it is to be.
func generated(t *testing.T, name string, want []byte) {
	t.Helper()
	file := filepath.Join(contrib, name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
		t.Errorf("contrib/%s has drifted from what it is made of; run go generate ./... (%v)", name, err)
	}
}

// reasons are all that there are, from where they are named.
func reasons(t *testing.T) (all []string) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("..", "..", "greylist", "verdict.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)Reason = "(.+)"`).FindAllSubmatch(source, -1) {
		all = append(all, string(m[1]))
	}
	if len(all) < 10 {
		t.Fatalf("found only the reasons %v", all)
	}
	for _, r := range all {
		if !slices.Contains(greylist.Reasons, greylist.Reason(r)) {
			t.Errorf("%s is not among greylist.Reasons", r)
		}
	}
	return all
}

func words(d time.Duration) string {
	switch {
	case d%time.Minute == 0:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	case d%time.Second == 0:
		return fmt.Sprintf("%d seconds", d/time.Second)
	}
	return fmt.Sprintf("%d milliseconds", d/time.Millisecond)
}
