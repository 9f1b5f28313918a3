package config

import (
	"regexp"
	"strings"
	"testing"

	"greyglass/contrib"
)

// TestKnownSenders: each entry of the list that is built in says whose it is, why it is
// there, who reported it and when.
func TestKnownSenders(t *testing.T) {
	entry := regexp.MustCompile(`^\S+ +# .+: (never retries|slow|gives up early)(, .*)?; postgrey.*, 20[12][0-9]-[01][0-9]-[0-3][0-9]$`)
	entries := 0
	for line := range strings.Lines(contrib.KnownSenders) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		if entries++; !entry.MatchString(line) {
			t.Errorf("%s", line)
		}
	}
	if n := knownSendersList().Len(); n != entries || n == 0 {
		t.Errorf("%d entries are read of %d", n, entries)
	}
}
