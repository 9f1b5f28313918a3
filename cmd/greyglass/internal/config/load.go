package config

import (
	"errors"
	"maps"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"

	"greyglass/cmd/greyglass/internal/lookup"
	"greyglass/greylist/judge"
)

// DefaultFile is the configuration file of an installed Greyglass.
const DefaultFile = "/etc/greyglass/greyglass.toml"

// Source is where a configuration comes from. Later fields override earlier ones.
type Source struct {
	File         string   // TOML; empty: none
	FileRequired bool     // a missing File is a problem
	Environ      []string // "NAME=value", as os.Environ returns them
	Set          []string // "section.key=VALUE"

	// Profile, where not empty, is tried with its own values: they override those of the
	// other sources.
	Profile string

	// NoLists is for a command that can do without rules: a list file with problems is an
	// empty list, a [[rule]] with problems is left out, and the problems are no error.
	NoLists bool
}

// Loaded is a configuration without problems.
type Loaded struct {
	Config   *Config
	Lists    Lists
	Lookup   *lookup.Resolver  // asks DNS as Config says
	Policy   *judge.Policy     // made of Config, Lists and Lookup
	Origins  map[string]string // by key: "default", "profile NAME", "file:line", a variable's name, "--set"
	Warnings []Warning         // for the log, a line each

	Broken []Problem // of list files and rules, with [Source.NoLists]

	FromFile  bool   // the file has a value or a rule
	EmptyFile string // the file, if it has not one octet in it, or is not there at all
}

// Load reads and checks a configuration and its list files. The error is a [*Problems]
// with everything that is wrong.
func Load(src Source) (*Loaded, error) {
	problems := new(Problems)
	fileLayer, understood := newLayer(), true
	if src.File != "" || src.FileRequired {
		fileLayer, understood = readFile(src.File, src.FileRequired, problems)
	}
	environLayer, warnings := readEnviron(src.Environ, problems)
	setLayer := readSet(src.Set, problems)

	given := []layer{fileLayer, environLayer, setLayer, pureProfile(src.Profile, problems)}
	merged, err := merge(append([]layer{defaultLayer(), profileLayer(given, problems)}, given...)...)
	if err != nil {
		return nil, err
	}
	if !understood { // further checks would report problems that do not exist
		return nil, problems
	}
	merged.check(problems)
	var brokenRules []Problem
	if src.NoLists {
		brokenRules = merged.withoutBroken(problems)
	}
	lists, listWarnings, err := ReadLists(merged.config)
	broken := new(Problems)
	if errors.As(err, &broken) && !src.NoLists {
		problems.add(broken.List...)
	}
	if err := problems.orNil(); err != nil {
		return nil, err
	}
	look, err := lookup.New(merged.config.DNS.Options())
	if err != nil {
		return nil, err
	}
	policy, err := merged.config.Policy(lists, look)
	if err != nil {
		return nil, err
	}
	loaded := &Loaded{Config: merged.config, Lists: lists, Lookup: look, Policy: policy, Origins: map[string]string{}, Broken: append(brokenRules, broken.List...),
		FromFile: len(fileLayer.values)+len(fileLayer.rules) > 0}
	if fileLayer.empty {
		loaded.EmptyFile = src.File
	}
	for key, from := range merged.origins {
		loaded.Origins[key] = from.String()
	}
	loaded.Warnings = append(warnings, listWarnings...)
	return loaded, nil
}

// merged is all layers together.
type merged struct {
	config  *Config
	origins map[string]origin
}

// merge merges the layers; later ones override earlier ones. It needs a new koanf
// instance each time, because one that is loaded again keeps deleted keys.
func merge(layers ...layer) (merged, error) {
	m := merged{new(Config), map[string]origin{}}
	k := koanf.New(".")
	var rules []Rule
	for _, l := range layers {
		if err := k.Load(confmap.Provider(l.values, "."), nil); err != nil {
			return m, err
		}
		maps.Copy(m.origins, l.origins)
		rules = before(l.rules, rules)
	}
	// koanf's own decoder settings would turn "7" into 7 and ignore unknown keys.
	strict := &mapstructure.DecoderConfig{ErrorUnused: true, ErrorUnset: true}
	if err := k.UnmarshalWithConf("", m.config, koanf.UnmarshalConf{DecoderConfig: strict}); err != nil {
		return m, err
	}
	m.config.Rule = rules
	return m, nil
}

// defaultLayer holds the default of every option.
func defaultLayer() layer {
	l := newLayer()
	l.values[ruleSection.Name] = []any{}
	for key, o := range byKey {
		l.values[key] = o.Default
		l.origins[key] = origin{source: defaultSource}
	}
	return l
}
