package config

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"greyglass/contrib/profiles"
	"greyglass/greylist"
)

// TestProfileIsOverridden: each source that comes after a profile overrides it by key,
// wherever the profile is chosen.
func TestProfileIsOverridden(t *testing.T) {
	file := write(t, "[greylist]\nprofile = \"gentle\"\nmin_defer_time = \"1m\"\n")
	for name, c := range map[string]struct {
		src    Source
		key    string
		value  any
		origin string
	}{
		"no profile":       {Source{}, "greylist.min_defer_time", time.Hour, "default"},
		"classic":          {Source{Set: []string{"greylist.profile=classic"}}, "greylist.too_soon", 3 * time.Minute, "default"},
		"the file":         {Source{File: file}, "greylist.min_defer_time", time.Minute, file + ":3"},
		"beside the file":  {Source{File: file}, "greylist.max_defer_time", 48 * time.Hour, "profile gentle"},
		"what it lacks":    {Source{File: file}, "greylist.max_grey", 3000000 * time.Second, "default"},
		"environment":      {Source{File: file, Environ: []string{"GREYGLASS_GREYLIST__TOO_SOON=7"}}, "greylist.too_soon", 7 * time.Second, "GREYGLASS_GREYLIST__TOO_SOON"},
		"chosen by it":     {Source{Environ: []string{"GREYGLASS_GREYLIST__PROFILE=gentle"}}, "greylist.sender_identity", "normalized", "profile gentle"},
		"--set":            {Source{File: file, Set: []string{"greylist.sender_identity=exact"}}, "greylist.sender_identity", "exact", "--set"},
		"chosen by --set":  {Source{Set: []string{"greylist.profile=gentle"}}, "greylist.min_defer_time", 3 * time.Minute, "profile gentle"},
		"chosen away":      {Source{File: file, Set: []string{"greylist.profile=classic"}}, "greylist.sender_identity", "exact", "default"},
		"chosen away, too": {Source{File: file, Environ: []string{"GREYGLASS_GREYLIST__PROFILE=classic"}}, "greylist.max_defer_time", 25000 * time.Second, "default"},
	} {
		l := mustLoad(t, c.src)
		wantEqual(t, name, l.Config.value(c.key), c.value)
		if !strings.HasPrefix(l.Origins[c.key], c.origin) {
			t.Errorf("%s: from %s, want %s", name, l.Origins[c.key], c.origin)
		}
	}
}

// TestRulesOfProfile: they come after the file's, and one of the file's with the name of
// one of them replaces it, in its place.
func TestRulesOfProfile(t *testing.T) {
	const own = `[[rule]]
name = "%"
when = 'hour == 1'
then = "accept"
`
	rule := func(name string) string { return strings.Replace(own, "%", name, 1) }
	names := func(l *Loaded) (names []string) {
		for i := range l.Config.Rule {
			names = append(names, l.Config.Rule[i].Name)
		}
		return names
	}
	gentle := []string{"greylist.profile=gentle"}
	all := names(mustLoad(t, Source{Set: gentle}))
	if len(all) < 5 {
		t.Fatalf("rules %v", all)
	}
	wantEqual(t, "classic has none", names(mustLoad(t, Source{})), []string(nil))

	l := mustLoad(t, Source{File: write(t, rule("a")+rule(all[2])+rule("b")), Set: gentle})
	wantEqual(t, "names", names(l), slices.Concat([]string{"a", "b"}, all))
	wantEqual(t, "replaced", l.Config.Rule[4].When, "hour == 1")

	file := write(t, rule("gentle-no-name")+rule("a")+rule("gentle-no-name"))
	_, err := Load(Source{File: file, Set: gentle})
	wantProblems(t, err, file+`:2: rule "gentle-no-name": name = "gentle-no-name": also the name of the rule at `+file+`:9; choose another`)
}

// TestProfileFiles: each profile is the name of a file that is a configuration of its
// own, and sets nothing but what it says it does.
func TestProfileFiles(t *testing.T) {
	files, err := profiles.Files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	choices := choice{classic}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".toml")
		choices = append(choices, name)
		own := mustLoad(t, Source{File: filepath.Join("..", "..", "..", "..", "contrib", "profiles", f.Name()), FileRequired: true})
		l := mustLoad(t, Source{Set: []string{"greylist.profile=" + name}})
		wantEqual(t, "profile", l.Config.Greylist.Profile, name)
		l.Config.Greylist.Profile = classic
		wantEqual(t, "windows", l.Config.Greylist, own.Config.Greylist)
		wantEqual(t, "rules", len(l.Config.Rule), len(own.Config.Rule))
		for key, from := range l.Origins {
			if section, _, _ := strings.Cut(key, "."); strings.HasPrefix(from, "profile ") && section != "greylist" && section != "learn" {
				t.Errorf("profile %s sets %s", name, key)
			}
		}
	}
	wantEqual(t, "choices", byKey[profileKey].Kind, kind(choices))
}

// TestPrintOfProfile reads back what is printed of a profile.
func TestPrintOfProfile(t *testing.T) {
	file := write(t, "[greylist]\nprofile = \"gentle\"\n[[rule]]\nname = \"gentle-no-name\"\nwhen = 'false'\nthen = \"accept\"\n")
	l := mustLoad(t, Source{File: file})
	var first, second strings.Builder
	if err := l.Print(&first); err != nil {
		t.Fatal(err)
	}
	again := mustLoad(t, Source{File: write(t, first.String())})
	if err := again.Print(&second); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "printed", bare(second.String()), bare(first.String()))
	wantEqual(t, "rules", again.Policy.Rules.Normalizes(), l.Policy.Rules.Normalizes())
	for _, line := range []string{"\nsender_identity = \"normalized\"  # profile gentle:", "\n[[rule]]  # profile gentle:", "\nwhen = 'false'  # " + file + ":5\n"} {
		if !strings.Contains(first.String(), line) {
			t.Errorf("no %q in\n%s", line, first.String())
		}
	}
}

// bare is a printed configuration without origins.
func bare(printed string) string {
	var b strings.Builder
	for line := range strings.Lines(printed) {
		value, _, _ := strings.Cut(line, "  # ")
		b.WriteString(strings.TrimSpace(value) + "\n")
	}
	return b.String()
}

// TestProfileCrosses: what conflicts with a profile is reported where the administrator
// wrote it.
func TestProfileCrosses(t *testing.T) {
	_, err := Load(Source{Set: []string{"greylist.profile=gentle", "greylist.max_defer_time=60s"}})
	wantProblems(t, err, `--set: greylist.max_defer_time = "60s": below greylist.min_defer_time = "180s", so that no triplet could ever pass; raise it, or lower greylist.min_defer_time`)
	_, err = Load(Source{Set: []string{"greylist.profile=soft"}})
	wantProblems(t, err, `--set: greylist.profile = "soft": not a known choice; write "classic" or "gentle"`)
}

// TestProfileIsTried: with its own values, whatever the other sources say of its keys, and
// with what they say of others.
func TestProfileIsTried(t *testing.T) {
	own := []string{"greylist.profile=gentle", "greylist.min_defer_time=1m", "greylist.max_grey=40d", "learn.proven_after=7"}
	classic := mustLoad(t, Source{Set: own, Profile: "classic"}).Config
	wantEqual(t, "classic", classic.Greylist.Windows(), greylist.Windows{TooSoon: 180, MinDeferTime: 3600, MaxDeferTime: 25000, MaxGrey: 40 * 24 * 3600})
	wantEqual(t, "its rules", len(classic.Rule), 0)
	wantEqual(t, "its proof", classic.Learn.ProvenAfter, 0)
	gentle := mustLoad(t, Source{Set: own[1:], Profile: "gentle"}).Config
	wantEqual(t, "gentle", gentle.Greylist.Windows(), greylist.Windows{TooSoon: 0, MinDeferTime: 180, MaxDeferTime: 2 * 24 * 3600, MaxGrey: 40 * 24 * 3600})
	wantEqual(t, "its proof", gentle.Learn.ProvenAfter, 1)
	if len(gentle.Rule) < 5 {
		t.Errorf("%d rules", len(gentle.Rule))
	}
}
