package pkg

import (
	"path/filepath"
	"strings"
	"testing"
)

// The README, followed by a new user: installed, attached,
// seen to work, each command as it is written there. The transcript is in the test's log.
func TestReadme(t *testing.T) {
	t.Parallel()
	page := read(t, "README.md")
	m := machine(t)
	withPostfix(m)
	var transcript strings.Builder
	defer func() { t.Log("\n" + transcript.String()) }()
	said := make(map[string]string) // by a section, what its commands printed
	for _, heading := range []string{"Install it", "Attach it", "See it work"} {
		for _, block := range blocks(section(t, page, heading), "sh") {
			for _, command := range commands(block) {
				if command == "make deb" { // it has no Go and no network; this test has done that
					m.Run("mkdir -p dist")
					bring(t, m, file(t, "amd64"), "/root/dist/"+filepath.Base(file(t, "amd64")))
					bring(t, m, file(t, "arm64"), "/root/dist/"+filepath.Base(file(t, "arm64")))
					continue
				}
				if strings.HasPrefix(command, "apt-get install ") {
					command += " -q -y" // there is no terminal to say yes at
				}
				r := m.Try(command)
				said[heading] += r.Output
				transcript.WriteString("# " + command + "\n" + r.Output)
				// Before it is attached, doctor finds that wrong.
				if r.Status != 0 && !(command == "greyglass doctor" && heading == "Install it") {
					t.Errorf("%s: status %d", command, r.Status)
				}
			}
		}
	}
	wants(t, said["Install it"], "Greyglass is installed", "ok     daemon         answers at milter", "WRONG  mail server")
	if strings.Contains(said["Attach it"], "WRONG") {
		t.Error("once attached, doctor finds something wrong")
	}
	wants(t, said["See it work"], "451 4.7.1 Greylisted, please try again in 1 hour", "passed: 203.0.113.7 ann@example.net bob@example.org",
		"verdict  accept", " deferred (probe) ann@example.net -> bob@example.org from 203.0.113.7 ", ": not-seen-before; retry passes in 1 hour", ": already-grey")

	// And it is so for real mail.
	if r := m.Try(send); r.Status == 0 || !strings.Contains(r.Output, "451 4.7.1 Greylisted") {
		t.Errorf("mail of an unknown client is not deferred: %s", r.Output)
	}
}
