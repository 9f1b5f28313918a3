package lab

import (
	"os"
	"os/exec"
	"path/filepath"
)

// No mail servers, but other greylisting daemons, which speak the policy
// protocol: for [Script]; and what reads postgrey's database, for [Command].
const (
	Postgrey   MTA = "postgrey"
	Sqlgrey    MTA = "sqlgrey"
	BerkeleyDB MTA = "berkeleydb"
)

func init() {
	// Their programs are Perl: what is probed is a library of a module of theirs.
	softwareOf[Postgrey] = software{[]string{"postgrey", "libfaketime", "perl"}, "usr/lib/*/perl5/*/auto/BerkeleyDB/BerkeleyDB.so"}
	softwareOf[BerkeleyDB] = software{[]string{"?name(^db[0-9.]+-util$)"}, "usr/bin/db[0-9]*_dump"}
	softwareOf[Sqlgrey] = software{[]string{"sqlgrey", "libdbd-sqlite3-perl", "perl"}, "usr/lib/*/perl5/*/auto/DBD/SQLite/SQLite.so"}
}

// Script is a Perl program, by its path in the private root of mta, run by the
// machine's Perl with the modules of that root.
func Script(mta MTA, program string, args ...string) *exec.Cmd {
	root := rootOf(mta)
	args = append([]string{filepath.Join(root, program)}, args...)
	for _, pattern := range []string{"usr/share/perl5", "usr/lib/*/perl5/*", "usr/share/perl/*", "usr/lib/*/perl/*"} {
		found, _ := filepath.Glob(filepath.Join(root, pattern))
		for _, folder := range found {
			args = append([]string{"-I", folder}, args...) // a program that distrusts its environment (-T) takes no PERL5LIB
		}
	}
	cmd := exec.Command("perl", append([]string{"-T"}, args...)...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libraryPath(root))
	return cmd
}

// File is a file of the private root of mta.
func File(mta MTA, path string) string { return filepath.Join(rootOf(mta), path) }
