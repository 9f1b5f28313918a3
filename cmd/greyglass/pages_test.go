package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The tables of contrib/faults.md and contrib/security.md name the tests that show
// what they say, in the last column; each is there.
func TestPagesNameTheirTests(t *testing.T) {
	name := regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w*`)
	for page, least := range map[string]int{"faults.md": 16, "security.md": 25} {
		text, err := os.ReadFile("../../contrib/" + page)
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for line := range strings.Lines(string(text)) {
			cells := strings.Split(strings.TrimSpace(line), "|")
			if len(cells) < 5 || strings.HasPrefix(cells[1], "--") || strings.TrimSpace(cells[len(cells)-2]) == "test" {
				continue
			}
			rows++
			names := name.FindAllString(cells[len(cells)-2], -1)
			if len(names) == 0 {
				t.Errorf("%s: the row %q names no test", page, strings.TrimSpace(cells[1]))
			}
			for _, test := range names {
				if exec.Command("grep", "-rqF", "--include=*_test.go", "func "+test+"(", "../..").Run() != nil {
					t.Errorf("%s: there is no %s, of the row %q", page, test, strings.TrimSpace(cells[1]))
				}
			}
		}
		if rows < least {
			t.Errorf("%s has only %d rows", page, rows)
		}
	}
}

// Each page about list files shows how a program writes one: another file, renamed. The
// command of the manual is run here.
func TestPagesRecommendRename(t *testing.T) {
	rename := regexp.MustCompile(`\S+ > (\S+)\.new && mv (\S+)\.new ([^\s` + "`" + `]+)`)
	for _, page := range []string{"internal/manual/greyglass-lists.5.md", "../../contrib/blocked_emails.list", "../../contrib/exceptions.list",
		"../../contrib/greyglass.toml.md", "../../contrib/rules.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range rename.FindAllStringSubmatch(string(text), -1) {
			if m[1] != m[2] || m[2] != m[3] {
				t.Errorf("%s: %s", page, m[0])
			}
		}
		if !rename.Match(text) {
			t.Errorf("%s does not show how to write a list file and rename it", page)
		}
	}
	text, err := os.ReadFile("internal/manual/greyglass-lists.5.md")
	if err != nil {
		t.Fatal(err)
	}
	_, command, _ := strings.Cut(regexp.MustCompile(`(?m)^.* && mv .*$`).FindString(string(text)), " > ")
	dir := t.TempDir()
	command = "echo pest@example.net > " + strings.ReplaceAll(command, "/etc/greyglass", dir)
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Errorf("%s: %v %s", command, err, out)
	}
	if list, err := os.ReadFile(filepath.Join(dir, "blocked_emails.list")); string(list) != "pest@example.net\n" {
		t.Errorf("%q, %v", list, err)
	}
}

// What contrib/architecture.md names as a file, or as file:function, is there.
func TestArchitectureIsTheCode(t *testing.T) {
	text, err := os.ReadFile("../../contrib/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`([a-z]\\w*(?:/\\w+)*(?:/|\\.go)?)(?::(\\w+))?`").FindAllStringSubmatch(string(text), -1)
	checked := 0
	for _, name := range names {
		path, function := name[1], name[2]
		if !strings.Contains(path, "/") && !strings.HasSuffix(path, ".go") {
			continue // a word of the code
		}
		checked++
		found := false
		for _, top := range []string{"../../", ""} {
			text, err := os.ReadFile(top + path)
			info, statErr := os.Stat(top + path)
			isFile := err == nil && (function == "" || regexp.MustCompile(`(?m)^func (\([^)]*\) )?`+function+`\(`).Match(text))
			found = found || isFile || statErr == nil && info.IsDir() && function == ""
		}
		if !found {
			t.Errorf("there is no %s", strings.Trim(name[0], "`"))
		}
	}
	if checked < 40 {
		t.Errorf("only %d names were found", checked)
	}
}

// Each relative link of each page leads to a file that is there. The README links each
// page, or that of the page's folder does.
func TestPagesAreLinked(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	linked := map[string]bool{"../../README.md": true}
	var pages []string
	for _, page := range append(markdown(t), "../../CHANGELOG.md") {
		if strings.HasPrefix(page, "internal/") {
			continue // a part of the manual
		}
		pages = append(pages, page)
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target := filepath.Join(filepath.Dir(page), m[1])
			if _, err := os.Stat(target); err != nil && !strings.Contains(m[1], ":") {
				t.Errorf("%s: %v", page, err)
			}
			linked[target] = linked[target] || filepath.Base(page) == "README.md"
		}
	}
	for _, page := range pages {
		if !linked[page] {
			t.Errorf("no README links %s", page)
		}
	}
}

// The figures of contrib/compared.md are those that were measured last.
func TestComparedFigures(t *testing.T) {
	read := func(page string) string {
		text, err := os.ReadFile("../../" + page)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	measured := read("e2e/bench/PEERS.md") + read("e2e/senders/RESULTS.md")
	_, figures, _ := strings.Cut(read("contrib/compared.md"), "## Figures")
	found := regexp.MustCompile(`[|,] (\d[\d.]*(?: %| ms| MB)?)`).FindAllStringSubmatch(figures, -1)
	for _, m := range found {
		if !strings.Contains(measured, "| "+m[1]) {
			t.Errorf("contrib/compared.md has the figure %s, which was not measured", m[1])
		}
	}
	if len(found) < 40 {
		t.Errorf("only %d figures were found", len(found))
	}
}

// Each configuration that contrib/howto.md shows is taken as it stands there.
func TestHowToConfigures(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../contrib/howto.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(examples) < 5 {
		t.Fatalf("the page has only %d examples", len(examples))
	}
	s := newSite(t, nil)
	s.write("no-greylisting.list", "bob@example.org\n")
	s.write("known-senders.local", "mx.example.net\n")
	for _, example := range examples {
		s.write("example.toml", strings.ReplaceAll(example[1], "/etc/greyglass", s.dir))
		r := here("config", "--config", s.path("example.toml"), "--set", "blocked.senders_file="+s.path("blocked.list"),
			"--set", "blocked.exceptions_file="+s.path("exceptions.list"))
		if r.status != 0 || r.stderr != "" {
			t.Errorf("%s\n%s", example[1], r.stderr)
		}
	}
}
