package config

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	parser "github.com/knadh/koanf/parsers/toml/v2"
	"github.com/pelletier/go-toml/v2"
)

// readFile reads a TOML file. ok is false if the file cannot be read or is not TOML.
func readFile(file string, required bool, problems *Problems) (l layer, ok bool) {
	l = newLayer()
	document, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !required:
		l.empty = file != ""
		return l, true
	case errors.Is(err, fs.ErrNotExist):
		problems.add(Problem{Where: cmp.Or(file, `""`), Detail: "no such file", Fix: "create it, or name another one with --config"})
		return l, false
	case err != nil:
		problems.add(Problem{Where: file, Detail: "cannot be read: " + reason(err), Fix: "make it a file that this user may read"})
		return l, false
	}
	l, ok = readDocument(file, document, problems)
	l.empty = len(document) == 0
	return l, ok
}

// readDocument reads TOML. ok is false if it is none.
func readDocument(name string, document []byte, problems *Problems) (l layer, ok bool) {
	document = bytes.TrimPrefix(document, []byte("\ufeff")) // the byte order mark of some editors
	sections, err := parser.Parser().Unmarshal(document)
	if err != nil {
		problems.add(syntaxProblem(name, err))
		return newLayer(), false
	}
	reader := fileReader{newLayer(), name, findPlaces(document), problems}
	reader.read(sections)
	return reader.layer, true
}

// reason is the error of the operating system without the file name.
func reason(err error) string {
	if e := new(fs.PathError); errors.As(err, &e) {
		return e.Err.Error()
	}
	return err.Error()
}

func syntaxProblem(file string, err error) Problem {
	m := Problem{
		Where:  file,
		Detail: "not TOML: " + strings.TrimPrefix(err.Error(), "toml: "),
		Fix:    `write key = value, with strings in quotes and lists in brackets`,
	}
	if e := new(toml.DecodeError); errors.As(err, &e) {
		row, column := e.Position()
		m.Where = origin{file, place{line: row}}.String()
		m.Where += ":" + spell(column)
		if strings.Contains(m.Detail, "already") {
			m.Fix = "keep one of them"
		}
	}
	return m
}

// fileReader reads the sections of a file.
type fileReader struct {
	layer
	file     string
	places   map[string]place
	problems *Problems
}

func (r *fileReader) at(path ...string) origin { return origin{r.file, r.places[joinPath(path)]} }

func (r *fileReader) read(sections map[string]any) {
	for _, name := range r.inOrder(nil, sections) {
		section, isTable := sections[name].(map[string]any)
		switch {
		case name == ruleSection.Name:
			r.readRules(sections[name])
			continue
		case isSection(name) && !isTable:
			r.problems.add(Problem{r.at(name).String(), name, spell(sections[name]), "a section, but it is used as a key", "write [" + name + "], and below it its keys"})
		case !isSection(name):
			unknown([]string{name}, sections[name], r.at(name), r.problems)
		}
		if !isSection(name) {
			continue
		}
		for _, key := range r.inOrder([]string{name}, section) {
			path := []string{name, key}
			if o := byKey[joinPath(path)]; o != nil {
				r.take(o, section[key], r.at(path...), r.problems)
			} else {
				unknown(path, section[key], r.at(path...), r.problems)
			}
		}
	}
}

// inOrder returns the keys of a table in the order of the file.
func (r *fileReader) inOrder(table []string, values map[string]any) []string {
	return slices.SortedFunc(maps.Keys(values), func(a, b string) int {
		at := func(key string) int { return r.places[joinPath(append(slices.Clip(table), key))].line }
		return cmp.Or(cmp.Compare(at(a), at(b)), cmp.Compare(a, b))
	})
}
