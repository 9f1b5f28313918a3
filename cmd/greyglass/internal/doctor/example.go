package doctor

import (
	"os"
	"path/filepath"
)

// examples is where the package puts the files that users attach mail servers with.
const examples = "/usr/share/doc/greyglass/examples"

// example is where such a file is found: installed, or in the sources.
func (v *exam) example(name string) string {
	installed := filepath.Join(examples, name)
	if _, err := os.Stat(v.Machine.path(installed)); err == nil {
		return installed
	}
	return "contrib/" + name
}
