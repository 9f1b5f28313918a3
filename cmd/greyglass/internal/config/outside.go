package config

import (
	"slices"
	"strings"
)

// environPrefix begins the environment variables of Greyglass.
const environPrefix = "GREYGLASS_"

// readEnviron reads environment variables, given as "NAME=value".
// GREYGLASS_SECTION__KEY is section.key; it warns of one without two underscores.
func readEnviron(environ []string, problems *Problems) (l layer, warnings []Warning) {
	l = newLayer()
	environ = slices.Sorted(slices.Values(environ))
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		rest, ours := strings.CutPrefix(name, environPrefix)
		if !ours {
			continue
		}
		section, key, ok := strings.Cut(strings.ToLower(rest), "__")
		if !ok {
			warnings = append(warnings, Warning{Detail: name + ": ignored, because it has no two underscores between a section and a key", Fix: "rename or remove it, unless another program reads it"})
			continue
		}
		l.takeNamed(section, key, value, name, problems)
	}
	return l, warnings
}

// setSource names "--set" in problems and origins.
const setSource = "--set"

// readSet reads the values of --set, given as "section.key=value". The last of several
// values for one key counts.
func readSet(set []string, problems *Problems) layer {
	l := newLayer()
	for _, s := range set {
		path, value, hasValue := strings.Cut(s, "=")
		section, key, hasKey := strings.Cut(strings.TrimSpace(path), ".")
		if !hasValue || !hasKey {
			problems.add(Problem{Where: setSource, Detail: quote(s) + " sets nothing", Fix: "write --set section.key=VALUE, as in --set greylist.too_soon=60s"})
			continue
		}
		l.takeNamed(section, key, value, setSource, problems)
	}
	return l
}

// takeNamed takes the value of a key from outside of a file.
func (l layer) takeNamed(section, key, value, source string, problems *Problems) {
	from := origin{source: source}
	if o := byKey[section+"."+key]; o != nil {
		l.takeText(o, value, from, problems)
		return
	}
	if isSection(section) {
		unknown([]string{section, key}, value, from, problems)
		return
	}
	problems.add(Problem{source, section + "." + key, quote(maskPassword(value)), "unknown section", suggestSection(section)})
}
