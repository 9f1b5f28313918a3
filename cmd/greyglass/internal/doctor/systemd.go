package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"greyglass/milter/listen"
)

// passedBySystemd returns the address of a socket that systemd passes to the daemon,
// from its unit (systemd.socket(5)).
func (m Machine) passedBySystemd(a listen.Address) (listen.Address, error) {
	for _, folder := range []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"} {
		units, _ := filepath.Glob(filepath.Join(m.path(folder), "*.socket"))
		for _, unit := range units {
			text, err := os.ReadFile(unit)
			if err != nil {
				continue
			}
			name, stream := filepath.Base(unit), ""
			for line := range strings.Lines(string(text)) {
				key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
				switch value = strings.TrimSpace(value); strings.TrimSpace(key) {
				case "FileDescriptorName":
					name = value
				case "ListenStream":
					stream = value
				}
			}
			if name == a.Addr && stream != "" {
				return parseStream(stream)
			}
		}
	}
	return a, errors.New("no socket unit that systemd knows passes it")
}

// parseStream reads a ListenStream=: a path, a port, or an address with a port.
func parseStream(s string) (listen.Address, error) {
	switch {
	case strings.HasPrefix(s, "/"):
		return listen.ParseAddress("unix:" + s)
	case !strings.Contains(s, ":"):
		return listen.ParseAddress("inet6:[::]:" + s)
	case strings.HasPrefix(s, "["):
		return listen.ParseAddress("inet6:" + s)
	}
	return listen.ParseAddress("inet:" + s)
}
