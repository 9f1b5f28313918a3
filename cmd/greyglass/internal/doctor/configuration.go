package doctor

import (
	"cmp"
	"errors"
	"os"
	"strings"

	"greyglass/cmd/greyglass/internal/config"
)

// checkConfiguration reports whether there is a configuration; without one
// nothing else can be looked at.
func checkConfiguration(v *exam) bool {
	if v.Loaded == nil {
		mistakes := new(config.Mistakes)
		if !errors.As(v.LoadError, &mistakes) {
			v.wrong("see what 'greyglass config' says", "cannot be read: %v", v.LoadError)
		}
		for _, m := range mistakes.List {
			fix := cmp.Or(m.Mend, "correct it; 'greyglass config' shows where each value comes from")
			m.Mend = ""
			v.wrong(fix, "%s", m)
		}
		v.warn("fix the configuration, then run this again", "nothing else was looked at, because all rests on the configuration")
		return false
	}
	if _, err := os.Stat(v.ConfigFile); err == nil {
		v.ok("can be used (%s)", v.ConfigFile)
	} else {
		v.ok("the defaults hold (there is no %s)", v.ConfigFile)
	}
	for _, warning := range v.Loaded.Warnings {
		fix := "remove it or change it, unless it is meant; 'greyglass config' shows where it comes from"
		if strings.Contains(warning, "no such file") {
			fix = `create the file (it may be empty), or set the key to "" if you want no such list`
		}
		v.warn(fix, "%s", warning)
	}
	if v.Loaded.Policy.Observe {
		v.warn(`set greylist.mode = "enforce" when you have seen enough, and reload Greyglass`,
			`greylist.mode is "observe": greylisting is only logged, nobody is deferred by it`)
	}
	return true
}
