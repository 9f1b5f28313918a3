package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// stageNews writes NEWS.Debian: what an administrator must know before an upgrade. Each
// file deb/NEWS.VERSION is an entry for that version; apt-listchanges shows those that
// are new to a machine.
func stageNews(src source, file string) error {
	var all []string
	for _, r := range src.releases {
		text, err := os.ReadFile("contrib/package/deb/NEWS." + r.version)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return err
		}
		all = append(all, fmt.Sprintf("greyglass (%s) unstable; urgency=medium\n\n%s\n\n -- %s  %s\n",
			r.version, indent(string(text), "  "), src.maintainer, r.day.UTC().Format(time.RFC1123Z)))
	}
	return writeGzip(file, []byte(strings.Join(all, "\n")))
}
