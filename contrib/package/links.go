package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// docs is the folder in which the pages are installed.
const docs = "/usr/share/doc/greyglass/"

// elsewhere has what an installed page says in the place of a link to a page that is installed
// in another form.
var elsewhere = map[string]string{
	"contrib/greyglass.toml.md": "`man 5 greyglass.toml`",
	"contrib/json.md":           "`man 5 greyglass-json`",
	"CHANGELOG.md":              "the changelog of the package",
	"LICENSE":                   "`" + docs + "copyright`",
}

// documents are the files and folders that a recipe of nfpm installs in docs, by their paths in
// the sources. Those of folders end in a slash.
type documents map[string]string

var document = regexp.MustCompile(`src: "\$\{STAGE\}/([^"]+)", dst: ` + docs + `([^,}]+)`)

func documentsOf(recipe string) documents {
	all := make(documents)
	for _, m := range document.FindAllStringSubmatch(recipe, -1) {
		all[m[1]] = m[2]
	}
	return all
}

// installed is the path below docs of a file of the sources; empty if it is not installed there.
func (d documents) installed(source string) string {
	if to, ok := d[source]; ok {
		return to
	}
	for from, to := range d {
		if rest, ok := strings.CutPrefix(source, from); ok && strings.HasSuffix(from, "/") {
			return to + rest
		}
	}
	return ""
}

// stagePages changes the links of the pages in a stage to those that they are to have where they
// are installed.
func stagePages(stage string) error {
	recipe, err := os.ReadFile("contrib/package/nfpm.yaml")
	if err != nil {
		return err
	}
	d := documentsOf(string(recipe))
	return fs.WalkDir(os.DirFS(stage), ".", func(page string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(page) != ".md" || d.installed(page) == "" {
			return err
		}
		name := filepath.Join(stage, page)
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(name, []byte(d.relink(page, string(text))), 0o644)
	})
}

// link is one to a file of the sources: its text, the file, and a heading in it.
var link = regexp.MustCompile(`\[([^][]*)\]\(([^):#\s]+)(#[^)]*)?\)`)

// relink changes the links of a page. What is not installed is named in words.
func (d documents) relink(page, text string) string {
	return link.ReplaceAllStringFunc(text, func(found string) string {
		m := link.FindStringSubmatch(found)
		words, heading := m[1], m[3]
		source := path.Join(path.Dir(page), m[2])
		to := d.installed(source)
		named := words == m[2] || words == path.Dir(m[2]) // words that are the path itself
		if to == "" {
			where := elsewhere[source]
			if where == "" {
				where = "`" + source + "` in the sources"
			}
			if named {
				return where
			}
			return words + " (" + where + ")"
		}
		target, err := filepath.Rel(path.Dir(d.installed(page)), to)
		if err != nil {
			panic(err) // both are relative
		}
		switch {
		case words == m[2]:
			words = target
		case named:
			words = path.Dir(target)
		}
		return "[" + words + "](" + target + heading + ")"
	})
}
