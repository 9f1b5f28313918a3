package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// module is one that is linked into the program.
type module struct{ path, version, dir string }

// stageCopyright writes whose the program is, and whose all that is linked into
// it, with the licences that they demand to be passed on. go-licenses would leave
// out Go itself and the NOTICE files that Apache's licence is about.
func stageCopyright(file string) error {
	modules, err := linked()
	if err != nil {
		return err
	}
	own, err := os.ReadFile("LICENSE")
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("Greyglass is free software under the BSD 2-Clause licence:\n\n" + indent(string(own)) +
		"\nThe program is linked with the following Go modules, and with the Go standard\nlibrary and runtime, each under a licence of its own.\n")
	for _, m := range modules {
		text, err := licences(m.dir)
		if err != nil {
			return fmt.Errorf("%s: %w", m.path, err)
		}
		fmt.Fprintf(&b, "\n\n%s %s\n\n%s", m.path, m.version, text)
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

// linked lists the modules that the program is linked with, and Go itself.
func linked() (modules []module, err error) {
	out, err := output("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}", "./cmd/greyglass")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 3 {
			if m := (module{f[0], f[1], f[2]}); !slices.Contains(modules, m) {
				modules = append(modules, m)
			}
		}
	}
	slices.SortFunc(modules, func(a, b module) int { return strings.Compare(a.path, b.path) })
	root, err := output("go", "env", "GOROOT")
	return append(modules, module{"Go", runtime.Version(), strings.TrimSpace(root)}), err
}

// licences returns the texts of the licences in the top folder of a module.
func licences(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var all []string
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS"}, func(s string) bool { return strings.HasPrefix(name, s) }) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		all = append(all, "  "+e.Name()+":\n\n"+indent(abridged(string(text))))
	}
	if len(all) == 0 {
		return "", fmt.Errorf("no licence in %s; a package must carry it", dir)
	}
	return strings.Join(all, "\n"), nil
}

// abridged puts the place where every Debian has a licence in the place of its
// text (Debian policy, 12.5).
func abridged(text string) string {
	if strings.Contains(text, "Apache License") && strings.Contains(text, "Version 2.0") {
		return "Apache License, Version 2.0. On Debian systems its text is in\n/usr/share/common-licenses/Apache-2.0.\n"
	}
	return text
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text) + "\n") {
		b.WriteString(strings.TrimRight("  "+strings.TrimRight(line, "\r\n"), " \t") + "\n")
	}
	return b.String()
}
