package lab

import (
	"embed"
	"fmt"
	"maps"
	"os"
	"regexp"
)

//go:embed templates
var templates embed.FS

var placeholder = regexp.MustCompile(`@[A-Z0-9_]+@`)

// words are what stands for each @WORD@ of a template.
type words map[string]string

func (w words) with(more words) words {
	all := maps.Clone(w)
	maps.Copy(all, more)
	return all
}

// fill writes a template to a file, its words filled in. What is filled in is
// not looked at again, so that a snippet may hold anything.
func (w words) fill(template, file string) error {
	text, err := templates.ReadFile("templates/" + template)
	if err != nil {
		return err
	}
	var missing error
	text = placeholder.ReplaceAllFunc(text, func(p []byte) []byte {
		value, ok := w[string(p[1:len(p)-1])]
		if !ok {
			missing = fmt.Errorf("lab: template %s: nothing for %s", template, p)
		}
		return []byte(value)
	})
	if missing != nil {
		return missing
	}
	return os.WriteFile(file, text, 0o644)
}
