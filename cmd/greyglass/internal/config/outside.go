package config

import (
	"fmt"
	"slices"
	"strings"
)

// environPrefix begins the environment variables that are ours.
const environPrefix = "GREYGLASS_"

// readEnviron returns what environment variables say, given as "NAME=value".
// GREYGLASS_SECTION__KEY is section.key; one without two underscores is
// somebody else's business, about which it warns.
func readEnviron(environ []string, mistakes *Mistakes) (l layer, warnings []string) {
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
			warnings = append(warnings, fmt.Sprintf("%s: ignored, because it has no two underscores between a section and a key", name))
			continue
		}
		l.takeNamed(section, key, value, name, mistakes)
	}
	return l, warnings
}

// setSource is what "--set" is called in mistakes and origins.
const setSource = "--set"

// readSet returns what the command line sets, given as "section.key=value". The
// last of several values for one key holds.
func readSet(set []string, mistakes *Mistakes) layer {
	l := newLayer()
	for _, s := range set {
		path, value, hasValue := strings.Cut(s, "=")
		section, key, hasKey := strings.Cut(strings.TrimSpace(path), ".")
		if !hasValue || !hasKey {
			mistakes.add(Mistake{Where: setSource, What: quote(s) + " sets nothing", Mend: "write --set section.key=VALUE, as in --set greylist.too_soon=60s"})
			continue
		}
		l.takeNamed(section, key, value, setSource, mistakes)
	}
	return l
}

// takeNamed takes the value of a key that stands outside of a file.
func (l layer) takeNamed(section, key, value, source string, mistakes *Mistakes) {
	from := origin{source: source}
	if o := byKey[section+"."+key]; o != nil {
		l.takeText(o, value, from, mistakes)
		return
	}
	if isSection(section) {
		unknown([]string{section, key}, value, from, mistakes)
		return
	}
	mistakes.add(Mistake{source, section + "." + key, quote(maskPassword(value)), "unknown section", suggestSection(section)})
}
