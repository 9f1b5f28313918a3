package config

import (
	"slices"
	"strings"

	"greyglass/contrib/profiles"
)

// profileKey chooses the profile; classic is none.
const (
	profileKey = "greylist.profile"
	classic    = "classic"
)

// Profiles are the names that greylist.profile can have.
var Profiles = []string{classic, "gentle"}

// The sources of values that the program brings along.
const (
	defaultSource = "default"
	profileSource = "profile "
)

// builtIn reports whether the program brings the value along: a default, or a profile's.
func (o origin) builtIn() bool {
	return o.source == defaultSource || strings.HasPrefix(o.source, profileSource)
}

// profileLayer holds the profile that the last of the given layers with a profile names.
func profileLayer(given []layer, problems *Problems) layer {
	name := classic
	for _, l := range given {
		if value, ok := l.values[profileKey]; ok {
			name = value.(string)
		}
	}
	if name == classic {
		return newLayer()
	}
	document, err := profiles.Files.ReadFile(name + ".toml")
	if err != nil {
		problems.add(Problem{Where: profileSource + name, Detail: reason(err)})
		return newLayer()
	}
	l, _ := readDocument(profileSource+name, document, problems)
	return l
}

// pureProfile holds the values of a profile, also those that it leaves at their defaults
// where another does not. It has no rules: those are in [profileLayer]. It is empty without
// a name.
func pureProfile(name string, problems *Problems) layer {
	pure := newLayer()
	if name == "" {
		return pure
	}
	set := func(key string, value any) {
		pure.values[key], pure.origins[key] = value, origin{source: profileSource + name}
	}
	for _, other := range Profiles {
		for key := range profileLayer([]layer{{values: map[string]any{profileKey: other}}}, problems).values {
			set(key, byKey[key].Default)
		}
	}
	set(profileKey, name)
	for key, value := range profileLayer([]layer{pure}, problems).values {
		set(key, value)
	}
	return pure
}

// before puts rules before those of the profile. One with the name of a rule of the
// profile replaces it, in its place.
func before(rules, profile []Rule) []Rule {
	profile = slices.Clone(profile)
	var own []Rule
	for _, r := range rules {
		i := slices.IndexFunc(profile, func(p Rule) bool { return p.Name == r.Name && p.at.builtIn() })
		if i < 0 {
			own = append(own, r)
			continue
		}
		profile[i] = r
	}
	return append(own, profile...)
}
