package doctor

import (
	"os"
	"path/filepath"
)

// examples is where the package installs the snippets for mail servers.
const examples = "/usr/share/doc/greyglass/examples"

// example returns the path of a snippet: installed, or in the sources.
func (v *exam) example(name string) string {
	installed := filepath.Join(examples, name)
	if _, err := os.Stat(v.Machine.path(installed)); err == nil {
		return installed
	}
	return "contrib/" + name
}
