package peers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"greyglass/e2e/lab"
)

// TestPackagedLists: the whitelists of Debian's packages become configurations that load,
// and nothing in them is without equivalent.
func TestPackagedLists(t *testing.T) {
	lab.Require(t)
	s := newSite(t, "", "")
	for _, file := range []string{
		lab.File(lab.Postgrey, "usr/share/postgrey/whitelist_clients"), lab.File(lab.Postgrey, "usr/share/postgrey/whitelist_recipients"),
		lab.File(lab.Sqlgrey, "etc/sqlgrey/clients_fqdn_whitelist"), lab.File(lab.Sqlgrey, "etc/sqlgrey/clients_ip_whitelist"),
	} {
		printed := s.run("import-config", file)
		config := filepath.Join(s.dir, "imported.toml")
		if err := os.WriteFile(config, []byte(printed), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(lab.Program(), "config", "--config", config).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%.2000s", file, err, out)
		}
		if strings.Contains(printed, "No equivalent") || !strings.Contains(printed, "[[rule]]") {
			t.Errorf("%s:\n%.2000s", file, printed)
		}
	}
}
