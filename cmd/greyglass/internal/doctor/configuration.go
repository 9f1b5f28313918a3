package doctor

import (
	"cmp"
	"errors"
	"os"

	"greyglass/cmd/greyglass/internal/config"
)

// checkConfiguration reports whether the configuration is usable; no other check can run
// without it.
func checkConfiguration(v *exam) bool {
	if v.Loaded == nil {
		problems := new(config.Problems)
		if !errors.As(v.LoadError, &problems) {
			v.wrong("see what 'greyglass config' says", "cannot be read: %v", v.LoadError)
		}
		for _, m := range problems.List {
			fix := cmp.Or(m.Fix, "correct it; 'greyglass config' shows where each value comes from")
			m.Fix = ""
			v.wrong(fix, "%s", m)
		}
		v.warn("fix the configuration, then run this again", "nothing else was checked, because that needs the configuration")
		return false
	}
	if _, err := os.Stat(v.ConfigFile); err == nil {
		v.ok("can be used (%s)", v.ConfigFile)
	} else {
		v.ok("the defaults hold (there is no %s)", v.ConfigFile)
	}
	for _, w := range v.Loaded.Warnings {
		v.warn(w.Fix, "%s", w.Detail)
	}
	if v.Loaded.Policy.Observe {
		v.warn(`set greylist.mode = "enforce" when you have seen enough, and reload Greyglass`,
			`greylist.mode is "observe": greylisting is only logged, and defers no mail`)
	}
	return true
}
