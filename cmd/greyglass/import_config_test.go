package main

import (
	"strings"
	"testing"
)

// TestImportConfig: what the command prints is a configuration.
func TestImportConfig(t *testing.T) {
	s := newSite(t, nil)
	s.write("greylist.conf", "racl whitelist addr 192.0.2.0/24\nracl whitelist geoip \"DE\"\ngreylist 1h\n")
	printed := s.output("import-config", "greylist.conf")
	if !strings.Contains(printed, "\n# No equivalent has line 2: racl whitelist geoip \"DE\"\n") {
		t.Errorf("%s", printed)
	}
	s.write("greyglass.toml", s.read("greyglass.toml")+printed)
	if got := s.output("config"); !strings.Contains(got, "client_in(") || !strings.Contains(got, "min_defer_time = \"3600s\"  # "+s.file) {
		t.Errorf("%s", got)
	}
	for _, c := range []struct {
		status int
		args   []string
		says   string
	}{
		{64, nil, "FILE is missing"},
		{1, []string{"nowhere"}, "nowhere: no such file"},
		{1, []string{"greyglass.toml"}, "the name of greyglass.toml does not tell what it is; give --kind"},
		{1, []string{"greylist.conf", "--kind", "x"}, `there is no kind "x"`},
	} {
		s.run(append([]string{"import-config"}, c.args...)...).fails(t, c.status, c.says)
	}
}
