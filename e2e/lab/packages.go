package lab

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// software says what a private root is made of.
type software struct {
	packages []string // Debian packages; apt-get adds the libraries that this machine lacks
	probe    string   // a program that must find all its libraries once the root is good; a pattern, as of path.Match
}

var softwareOf = map[MTA]software{
	Postfix:  {[]string{"postfix", "libsasl2-modules"}, "usr/lib/postfix/sbin/smtpd"},
	Sendmail: {[]string{"sendmail-bin", "libsasl2-modules", "m4"}, "usr/libexec/sendmail/sendmail"},
	Exim:     {[]string{"exim4-daemon-light"}, "usr/sbin/exim4"},
	SQLite:   {[]string{"sqlite3"}, "usr/bin/sqlite3"},

	PgBouncer:  {[]string{"pgbouncer"}, "usr/sbin/pgbouncer"},
	Prometheus: {[]string{"prometheus"}, "usr/bin/promtool"},
	Strace:     {[]string{"strace"}, "usr/bin/strace"},
	Nginx:      {[]string{"nginx"}, "usr/sbin/nginx"},
	Apache:     {[]string{"apache2-bin"}, "usr/sbin/apache2"},
	Caddy:      {[]string{"caddy"}, "usr/bin/caddy"},

	// Debian names them after the release that it has (apt-patterns(7)).
	PostgreSQL: {[]string{"?name(^postgresql-[0-9]+$)", "?name(^postgresql-client-[0-9]+$)"},
		"usr/lib/postgresql/*/bin/postgres"},
}

// Prepare sees to it that the named MTAs lie unpacked in the cache folder and
// ends what test processes that died left running. What is there already
// is taken as it is, so that only the first call needs the network. The error
// wraps ErrUnavailable where the lab cannot work.
func Prepare(mtas ...MTA) error {
	if err := checkNamespaces(); err != nil {
		return unavailable(err)
	}
	unlock, err := lockCache()
	if err != nil {
		return unavailable(err)
	}
	defer unlock()
	if err := checkPassable(cacheDir()); err != nil {
		return unavailable(err)
	}
	for _, mta := range mtas {
		if err := prepareOne(mta); err != nil {
			return err
		}
	}
	return sweep()
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }

func rootOf(mta MTA) string { return filepath.Join(cacheDir(), "root", string(mta)) }

// prepared tells whether the private root of mta can be used as it is: its
// stamp fits, and the machine still has the libraries that were not fetched.
func prepared(mta MTA) bool {
	if mta == Chromium && browserInstalled() {
		return true
	}
	stamp, err := os.ReadFile(filepath.Join(rootOf(mta), ".stamp"))
	return err == nil && string(stamp) == stampOf(mta) && missingLibraries(mta, rootOf(mta)) == nil
}

// stampOf changes whenever a root made earlier is no longer what prepareOne
// would make now. Raise the number when the unpacking changes.
func stampOf(mta MTA) string {
	release, _ := os.ReadFile("/etc/os-release")
	return fmt.Sprintf("1 %s %s\n%s", runtime.GOARCH, strings.Join(softwareOf[mta].packages, " "), release)
}

func prepareOne(mta MTA) error {
	if p, ok := npmPackages[mta]; ok {
		return p.prepare(mta)
	}
	soft, ok := softwareOf[mta]
	if !ok {
		return fmt.Errorf("lab: no such MTA: %q", mta)
	}
	if prepared(mta) {
		return nil
	}
	for _, tool := range []string{"apt-get", "dpkg-deb", "ldd"} {
		if _, err := exec.LookPath(tool); err != nil {
			return unavailable(err)
		}
	}
	debs := filepath.Join(cacheDir(), "debs", string(mta))
	fmt.Fprintf(os.Stderr, "greyglass lab: fetching the Debian packages %s with apt-get, kept in %s\n",
		strings.Join(soft.packages, " "), cacheDir())
	if err := fetch(debs, soft.packages); err != nil {
		return unavailable(err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(rootOf(mta)), ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := unpack(debs, tmp); err != nil {
		return err
	}
	if err := missingLibraries(mta, tmp); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, ".stamp"), []byte(stampOf(mta)), 0o644); err != nil {
		return err
	}
	if err := os.RemoveAll(rootOf(mta)); err != nil {
		return err
	}
	return os.Rename(tmp, rootOf(mta))
}

// fetch downloads packages, and what they need beyond what this machine has,
// into debs. A failure may come from missing or outdated package lists: they
// are renewed once.
func fetch(debs string, packages []string) error {
	if err := os.RemoveAll(debs); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(debs, "partial"), 0o755); err != nil {
		return err
	}
	args := append([]string{"-q", "-y", "install", "--download-only",
		"--reinstall", // even where it is installed
		"--no-install-recommends",
		"-o", "APT::Sandbox::User=root", "-o", "DPkg::Lock::Timeout=300",
		"-o", "Dir::Cache::archives=" + debs}, packages...)
	if aptGet(args...) == nil {
		return nil
	}
	if err := aptGet("-q", "update"); err != nil {
		return err
	}
	return aptGet(args...)
}

func aptGet(args ...string) error {
	cmd := exec.Command("apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("apt-get: %w: %s", err, lines[len(lines)-1])
	}
	return nil
}

func unpack(debs, root string) error {
	files, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil {
		return err
	}
	for _, deb := range files {
		if out, err := exec.Command("dpkg-deb", "-x", deb, root).CombinedOutput(); err != nil {
			return fmt.Errorf("lab: dpkg-deb -x %s: %w: %s", deb, err, out)
		}
	}
	// A set-uid or set-gid program ignores LD_LIBRARY_PATH (ld.so(8)), and
	// would be a hole in the machine.
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) == 0 {
			return err
		}
		return os.Chmod(path, info.Mode().Perm())
	})
	if err != nil {
		return err
	}
	return os.Chmod(root, 0o755)
}

// probeIn is the probe of mta in a root.
func probeIn(root string, mta MTA) string {
	pattern := filepath.Join(root, softwareOf[mta].probe)
	if found, _ := filepath.Glob(pattern); len(found) > 0 {
		return found[len(found)-1] // the newest
	}
	return pattern
}

// missingLibraries returns an error that names the libraries which the probe
// of mta, unpacked in root, does not find.
func missingLibraries(mta MTA, root string) error {
	cmd := exec.Command("ldd", probeIn(root, mta))
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LD_LIBRARY_PATH="+libraryPath(root))
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		return fmt.Errorf("lab: ldd: %w: %s", err, out)
	case bytes.Contains(out, []byte("not found")):
		return fmt.Errorf("lab: %s does not find its libraries:\n%s", mta, out)
	}
	return nil
}

// Command is the program of an MTA that is named as softwareOf's probe, run from
// its private root.
func Command(mta MTA, args ...string) *exec.Cmd {
	cmd := exec.Command(probeIn(rootOf(mta), mta), args...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libraryPath(rootOf(mta)))
	return cmd
}

// libraryPath lists all folders below root that hold shared libraries. SASL's
// plug-ins are not libraries; they have a path of their own (saslPlugins).
func libraryPath(root string) string {
	var dirs []string
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		dir := filepath.Dir(path)
		if err == nil && !d.IsDir() && strings.Contains(d.Name(), ".so") &&
			filepath.Base(dir) != "sasl2" && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
		return nil
	})
	return strings.Join(dirs, ":")
}

// saslPlugins returns the folder of Cyrus SASL's plug-ins in the root of mta.
func saslPlugins(mta MTA) (string, error) {
	found, _ := filepath.Glob(filepath.Join(rootOf(mta), "usr/lib/*/sasl2/libplain.so"))
	if len(found) == 0 {
		return "", fmt.Errorf("lab: no SASL plug-ins in %s", rootOf(mta))
	}
	return filepath.Dir(found[0]), nil
}
