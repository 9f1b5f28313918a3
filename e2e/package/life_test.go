package pkg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"greyglass/e2e/lab"
)

const (
	probe = "greyglass probe 203.0.113.7 ann@example.net bob@example.org"
	why   = "greyglass explain 203.0.113.7 ann@example.net bob@example.org"
)

// A package's life on a machine: installed, its configuration changed, upgraded,
// removed, purged, installed again.
func TestLife(t *testing.T) {
	t.Parallel()
	m := machine(t)
	before := listing(m)

	// Installed: it runs, and only the mail server is missing.
	out := m.Run("apt-get install -q -y ./greyglass.deb")
	wants(t, out, "'greyglass doctor'", "greyglass-mta(7)")
	wants(t, m.Run("systemctl is-active greyglass.service greyglass.socket; systemctl is-enabled greyglass.service greyglass.socket"),
		"active\nactive\nenabled\nenabled\n")
	wants(t, m.Run(probe), "451 4.7.1 Greylisted")
	wants(t, m.Run(why), "too-soon")
	if wrong := lines(m.Try("greyglass doctor").Output, "WRONG"); len(wrong) != 1 || !strings.Contains(wrong[0], "there is none on this machine") {
		t.Errorf("greyglass doctor finds %q, want only that there is no mail server", wrong)
	}

	// Changed: what the administrator wrote holds.
	m.Run(`sed -i 's/^#too_soon = .*/too_soon = "1s"/' /etc/greyglass/greyglass.toml`)
	m.Run("echo pest@example.com >>/etc/greyglass/blocked_emails.list")
	m.Run("systemctl reload greyglass")
	wants(t, m.Run("greyglass config"), `too_soon = "1s"`)
	pid := m.Run("systemctl show -p MainPID greyglass")

	// Upgraded: the change stays, also where the package has another default now;
	// what was not changed is the new package's; the data stays; it was restarted.
	newer(t, m)
	m.Run("chown -R greyglass:greyglass /var/lib/greyglass && chmod 0700 /var/lib/greyglass") // as versions before had it
	m.Run("apt-get install -q -y -o Dpkg::Options::=--force-confold ./greyglass-newer.deb")
	wants(t, m.Run("dpkg-query -W greyglass"), "+newer")
	wants(t, m.Run("greyglass config"), `too_soon = "1s"`)
	wants(t, m.Run("cat /etc/greyglass/blocked_emails.list"), "pest@example.com")
	wants(t, m.Run("cat /etc/greyglass/exceptions.list"), "# newer")
	if now := m.Run("systemctl show -p MainPID greyglass"); now == pid {
		t.Error("the daemon was not restarted by the upgrade")
	}
	wants(t, m.Run(why), "too-soon")
	wants(t, m.Run("stat -c '%U:%G %a' /var/lib/greyglass /var/lib/greyglass/greyglass.db"), "greyglass:greyglass-admin 2750\ngreyglass:greyglass-admin 640\n")
	wants(t, m.Run("greyglass explain 203.0.113.9 pest@example.com bob@example.org"), "blocked")

	// What the administrator has stopped and disabled stays so.
	m.Run("systemctl disable --now greyglass.socket greyglass.service")
	m.Run("apt-get install -q -y --reinstall ./greyglass-newer.deb")
	if got := m.Try("systemctl is-active greyglass.service; systemctl is-enabled greyglass.service").Output; got != "inactive\ndisabled\n" {
		t.Errorf("after an upgrade, what was disabled is %q", got)
	}
	m.Run("systemctl enable --now greyglass.socket greyglass.service")

	// Removed: it ends, the data and the configuration stay.
	m.Run("apt-get remove -q -y greyglass")
	wants(t, m.Run("ls /var/lib/greyglass /etc/greyglass"), "greyglass.db", "greyglass.toml")
	if m.Try("pgrep -x greyglass || ss -ltn | grep -q :8895").Status == 0 {
		t.Error("it still runs after the removal")
	}

	// Purged: only the locked user and the groups remain.
	m.Run("apt-get purge -q -y greyglass")
	if left := difference(listing(m), before); len(left) > 0 {
		t.Errorf("remaining after the purge: %q", left)
	}
	wants(t, m.Run("getent passwd greyglass"), "nologin")
	wants(t, m.Run("getent shadow greyglass"), "greyglass:!*:")
	wants(t, m.Run("getent group greyglass-admin"), ":greyglass\n")

	// And again.
	m.Run("apt-get install -q -y ./greyglass.deb")
	wants(t, m.Run(why), "not-seen-before")
	wants(t, m.Run("greyglass config"), `too_soon = "180s"`)
}

// newer makes of our package one of a newer version, whose configuration has
// other words.
func newer(t *testing.T, m *lab.Machine) {
	t.Helper()
	m.Run(`rm -rf n && dpkg-deb -R greyglass.deb n &&
		sed -i 's/^Version: .*/&+newer/' n/DEBIAN/control &&
		for name in greyglass.toml blocked_emails.list exceptions.list; do echo '# newer' >>n/etc/greyglass/$name; done &&
		(cd n && find etc usr lib -type f | sort | xargs md5sum >DEBIAN/md5sums) &&
		dpkg-deb --root-owner-group -b n greyglass-newer.deb && rm -rf n`)
}

// listing is every file of the machine that a package might leave behind.
func listing(m *lab.Machine) []string {
	return strings.Fields(m.Run("find / -xdev -path /proc -prune -o -path /sys -prune -o -name '*greyglass*' -print | grep -v ^/root/ || true"))
}

func difference(now, before []string) (more []string) {
	known := make(map[string]bool)
	for _, name := range before {
		known[name] = true
	}
	for _, name := range now {
		if !known[name] {
			more = append(more, name)
		}
	}
	return more
}

// lines are those of a text that begin with a word.
func lines(text, word string) (found []string) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, word) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

func wants(t *testing.T, got string, texts ...string) {
	t.Helper()
	for _, want := range texts {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

// read reads a file of the sources.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tree, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
