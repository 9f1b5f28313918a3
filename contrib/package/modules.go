package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// module is one that is linked into the program.
type module struct {
	path, version, dir string

	files []licenceFile
}

// licenceFile is a file with a licence, or with what must be passed on besides, such as
// NOTICE, which has no name.
type licenceFile struct{ file, name, text string }

// licences are named by the short names of DEP-5, by words of their texts.
var licences = []struct {
	name  string
	words []string
}{
	{"Apache-2.0", []string{"Apache License", "Version 2.0"}},
	{"Expat", []string{"Permission is hereby granted, free of charge"}},
	{"ISC", []string{"Permission to use, copy, modify"}},
	{"BSD-3-Clause", []string{"Redistribution and use in source and binary forms", "endorse or promote"}},
	{"BSD-2-Clause", []string{"Redistribution and use in source and binary forms"}},
	{"public-domain", []string{"Public Domain"}},
}

// apache is the text of Apache's licence, which every Debian has (Debian policy, 12.5).
var apache = regexp.MustCompile(`(?s)[ \t]*Apache License\s+Version 2\.0, January 2004.*?(?:limitations under the License\.|END OF TERMS AND CONDITIONS|\z)`)

const apacheIsAt = "Licensed under the Apache License, Version 2.0. On Debian systems its text is in\n/usr/share/common-licenses/Apache-2.0."

// linked lists the modules that the program is linked with, and Go itself.
func linked() (modules []module, err error) {
	out, err := output("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}", "./cmd/greyglass")
	if err != nil {
		return nil, err
	}
	root, err := output("go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	found := strings.Split(strings.TrimSpace(out), "\n")
	slices.Sort(found)
	for _, line := range append(slices.Compact(found), "std "+runtime.Version()+" "+root) {
		if f := strings.Fields(line); len(f) == 3 {
			m := module{path: f[0], version: f[1], dir: f[2]}
			if m.files, err = licenceFiles(m.dir); err != nil {
				return nil, fmt.Errorf("%s: %w", m.path, err)
			}
			modules = append(modules, m)
		}
	}
	return modules, nil
}

// licenceFiles reads the licences in the top folder of a module.
func licenceFiles(dir string) (all []licenceFile, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	named := false
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		begins := func(s string) bool { return strings.HasPrefix(name, s) }
		if e.IsDir() || begins("LICENSE-LOGO") || !slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS"}, begins) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		l := licenceFile{file: e.Name(), text: string(text)}
		if !begins("NOTICE") && !begins("PATENTS") && !strings.Contains(name, "3RD-PARTY") {
			if l.name = licenceName(l.text); l.name == "" {
				return nil, fmt.Errorf("the licence in %s is of no known kind; look at it, and add it to the table", l.file)
			}
			named = true
		}
		l.text = apache.ReplaceAllLiteralString(l.text, apacheIsAt)
		all = append(all, l)
	}
	if !named {
		return nil, fmt.Errorf("no licence in %s; a package must carry it", dir)
	}
	return all, nil
}

func licenceName(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	for _, l := range licences {
		if !slices.ContainsFunc(l.words, func(words string) bool { return !strings.Contains(text, words) }) {
			return l.name
		}
	}
	return ""
}

// licence names the licences of a module that hold together.
func (m module) licence() string {
	var names []string
	for _, l := range m.files {
		if l.name != "" && !slices.Contains(names, l.name) {
			names = append(names, l.name)
		}
	}
	return strings.Join(names, " and ")
}

// text is the text of the licences of a module.
func (m module) text() string {
	var all []string
	for _, l := range m.files {
		if l.name != "" {
			all = append(all, strings.TrimSpace(l.text))
		}
	}
	return strings.Join(all, "\n\n")
}
