package pkg

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// unpacked lays the package's files where they belong, but does not install it.
const unpacked = "dpkg-deb --fsys-tarfile dist/*_$(dpkg --print-architecture).deb | tar -x -C / --keep-directory-symlink && "

// What is shipped is clean by the tools that Debian has for each kind of file.
func TestLint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, command string }{
		{"lintian", "lintian --allow-root --fail-on error,warning --display-info dist/*.deb"},
		{"manual", "mandoc -T lint -W warning contrib/man/*"},
		{"scripts", "shellcheck ci/run lab/*.sh --shell=bash --exclude=SC3046 && " +
			"shellcheck contrib/package/deb/postinst contrib/package/deb/prerm contrib/package/deb/postrm contrib/package/rpm/p* contrib/freebsd/greyglass contrib/openrc/greyglass"},
		{"completions", "bash -n contrib/completion/greyglass.bash && zsh -n contrib/completion/greyglass.zsh && fish -n contrib/completion/greyglass.fish"},
		{"apparmor", "apparmor_parser --skip-kernel-load --skip-cache contrib/apparmor/usr.sbin.greyglass"},
		{"units", unpacked + "systemd-sysusers && systemd-analyze verify --man=no greyglass.service greyglass.socket && " +
			"systemd-tmpfiles --create greyglass.conf"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if out, err := inTools(t, c.command); err != nil || strings.Contains(out, "W: ") || strings.Contains(out, "WARNING") {
				t.Errorf("%s: %v\n%s", c.command, err, out)
			}
		})
	}
}

// The sandbox of the unit leaves little open, by systemd's own measure.
func TestExposure(t *testing.T) {
	t.Parallel()
	const most = 1.5
	out, err := inTools(t, unpacked+"systemd-analyze security --offline=yes --no-pager greyglass.service")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	level := regexp.MustCompile(`exposure level for greyglass.service: ([0-9.]+)`).FindStringSubmatch(out)
	if level == nil {
		t.Fatalf("systemd-analyze says %s", out)
	}
	if got, err := strconv.ParseFloat(level[1], 64); err != nil || got > most {
		t.Errorf("the exposure is %s, want at most %.1f:\n%s", level[1], most, out)
	} else {
		t.Logf("exposure: %s", level[1])
	}
}

// What the shell completes: commands, flags, and files where one is taken.
func TestCompletion(t *testing.T) {
	t.Parallel()
	out, err := inTools(t, unpacked+`bash -c '
		source /usr/share/bash-completion/bash_completion
		source /usr/share/bash-completion/completions/greyglass
		compopt() { :; } # it can be called only while something is completed
		complete_line() {
			COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
			__start_greyglass
			echo "$* => ${COMPREPLY[*]}"
		}
		complete_line greyglass exp
		complete_line greyglass list --wai
		for line in "serve --config x" "backup x" "pass x" "backup x y"; do
			echo "$line: $(greyglass __complete $line 2>/dev/null | tail -1)"
		done
	'`)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const files, noFiles = ":0\n", ":4\n" // cobra's ShellCompDirective
	wants(t, out, "greyglass exp => ", "explain", "expire", "greyglass list --wai => --waiting",
		"serve --config x: "+files, "backup x: "+files, "pass x: "+noFiles, "backup x y: "+noFiles)
}
