package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// release is the Debian that whole systems are made of, whatever this machine is.
const release = "bookworm"

// Debian is a whole Debian system in a folder, made by mmdebstrap. Nothing in it
// is ever changed: a [Machine] works on a layer of its own above it.
type Debian struct {
	Name     string
	Packages []string // beside those that every Debian has
	AtHand   []string // can be installed without a network by "apt-get install"
}

// path is the folder of the system.
func (d Debian) path() string { return filepath.Join(cacheDir(), "root", d.Name) }

func (d Debian) stamp() string {
	return fmt.Sprintf("2 %s %s %s | %s\n", release, runtime.GOARCH, strings.Join(d.Packages, " "), strings.Join(d.AtHand, " "))
}

// PrepareDebian sees to it that the systems are there. It needs the network only
// for those that are not yet. It ends what test processes that died left
// running, as [Prepare] does, of which it is the counterpart. The error wraps ErrUnavailable where it cannot work.
func PrepareDebian(systems ...Debian) error {
	if err := checkNamespaces(); err != nil {
		return unavailable(err)
	}
	unlock, err := lockCache()
	if err != nil {
		return unavailable(err)
	}
	defer unlock()
	for _, d := range systems {
		if stamp, err := os.ReadFile(d.path() + ".stamp"); err == nil && string(stamp) == d.stamp() {
			continue
		}
		if err := d.prepare(); err != nil {
			return err
		}
	}
	if err := sweep(); err != nil {
		return err
	}
	endOnSignal()
	return nil
}

func (d Debian) prepare() error {
	for _, tool := range []string{"apt-get", "dpkg-deb", "perl"} {
		if _, err := exec.LookPath(tool); err != nil {
			return unavailable(err)
		}
	}
	fmt.Fprintf(os.Stderr, "greyglass lab: making a Debian %s with %s, kept in %s\n", release, strings.Join(d.Packages, " "), cacheDir())
	mmdebstrap, err := fetchMmdebstrap()
	if err != nil {
		return unavailable(err)
	}
	if err := os.RemoveAll(d.path()); err != nil {
		return err
	}
	args := []string{mmdebstrap, "--variant=minbase", "--mode=root", "--include=" + strings.Join(d.Packages, ",")}
	if len(d.AtHand) > 0 {
		args = append(args, "--skip=cleanup/apt", "--customize-hook=chroot \"$1\" apt-get install -q -y --download-only --no-install-recommends "+strings.Join(d.AtHand, " "))
	}
	out, err := exec.Command("perl", append(args, release, d.path())...).CombinedOutput()
	if err != nil {
		os.RemoveAll(d.path())
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return unavailable(fmt.Errorf("mmdebstrap: %w: %s", err, strings.Join(lines[max(0, len(lines)-3):], "; ")))
	}
	return os.WriteFile(d.path()+".stamp", []byte(d.stamp()), 0o644)
}

// fetchMmdebstrap returns the program out of its package. It needs no more than
// the perl and the apt that every Debian has.
func fetchMmdebstrap() (string, error) {
	program := filepath.Join(cacheDir(), "root", "mmdebstrap", "usr/bin/mmdebstrap")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	debs := filepath.Join(cacheDir(), "debs", "mmdebstrap")
	if err := fetch(debs, []string{"mmdebstrap"}); err != nil {
		return "", err
	}
	found, _ := filepath.Glob(filepath.Join(debs, "mmdebstrap_*.deb"))
	if len(found) != 1 {
		return "", fmt.Errorf("lab: found the packages %v of mmdebstrap", found)
	}
	out, err := exec.Command("dpkg-deb", "-x", found[0], filepath.Join(cacheDir(), "root", "mmdebstrap")).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("lab: dpkg-deb: %w: %s", err, out)
	}
	return program, nil
}

// Command is a command in the system, which sees the folder work as /work and has
// a /tmp of its own. It has no network, and nothing that it changes elsewhere
// must matter.
func (d Debian) Command(work, command string) *exec.Cmd {
	return exec.Command("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-ec", `
		mount --make-rprivate /
		mount -t tmpfs tmpfs "$1/mnt"; mkdir "$1/mnt/u" "$1/mnt/w" "$1/mnt/m"
		mount -t overlay -o "lowerdir=$1,upperdir=$1/mnt/u,workdir=$1/mnt/w" overlay "$1/mnt/m"
		cd "$1/mnt/m"
		mkdir -p work; mount --bind "$2" work
		mount -t proc proc proc; mount --rbind /dev dev; mount -t tmpfs tmpfs tmp
		exec chroot . /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root sh -c "cd /work; $3"`,
		"sh", d.path(), work, command)
}
