package pkg

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"greyglass/e2e/lab"
)

// The AppArmor profile allows every file operation that strace sees of a daemon
// which starts, serves, reloads, has its database deleted and corrupted, and ends.
func TestAppArmor(t *testing.T) {
	t.Parallel()
	flat, err := inTools(t, "apparmor_parser --preprocess contrib/apparmor/usr.sbin.greyglass")
	if err != nil {
		t.Fatalf("apparmor_parser: %v\n%s", err, flat)
	}
	rules := parseProfile(t, flat)
	m := machine(t)
	operations := parseTrace(t, traceDaemon(t, m))
	if len(operations) < 20 {
		t.Errorf("strace has seen only %q", operations)
	}
	for _, o := range operations {
		if denied := o.permissions; denied != "" {
			for _, r := range rules {
				if r.path.MatchString(o.path) || strings.HasPrefix(o.call, "open") && r.path.MatchString(o.path+"/") {
					denied = strings.Map(func(p rune) rune {
						if strings.ContainsRune(r.permissions, p) {
							return -1
						}
						return p
					}, denied)
				}
			}
			if denied != "" {
				t.Errorf("%s needs %s for %s, of which the profile does not allow %s", o.call, o.permissions, o.path, denied)
			}
		}
	}
}

// traceDaemon has a daemon do all that it does, and returns what strace has seen.
func traceDaemon(t *testing.T, m *lab.Machine) string {
	t.Helper()
	m.Run("apt-get install -q -y ./greyglass.deb && systemctl stop greyglass.socket greyglass.service")
	m.Run(`printf '[listen]\nhttp = "127.0.0.1:8896"\n' >/etc/greyglass/greyglass.toml; mkdir -m 777 traces`)
	m.Run("chmod 711 /root")
	start := func() {
		m.Run("cd / && NOTIFY_SOCKET=/run/systemd/notify runuser -u greyglass -- strace -f -ff -qq -y -s 0 -o /root/traces/$(date +%s%N) " +
			"-e trace=%file,%network,fcntl,flock greyglass serve >/dev/null 2>/root/log & sleep 1")
		eventually(t, "an answer of the traced daemon", func() bool { return m.Try(probe).Status == 0 })
	}
	stop := func() { m.Run("pkill -TERM -x greyglass; while pgrep -x greyglass >/dev/null; do sleep 0.1; done") }

	start()
	m.Run(`bash -c 'for path in readyz metrics; do
		exec 3<>/dev/tcp/127.0.0.1/8896; printf "GET /$path HTTP/1.0\r\nHost: localhost\r\n\r\n" >&3; cat <&3; done' | grep greyglass_build_info`)
	m.Run(probe + " --to unix:/run/greyglass/milter.sock")
	m.Run("echo @pest.example >>/etc/greyglass/blocked_emails.list; pkill -HUP -x greyglass; sleep 3")
	m.Run("greyglass pass 203.0.113.8 a@example.net b@example.org; greyglass list; greyglass stats; greyglass expire; greyglass backup /root/backup.db")
	m.Run("rm /var/lib/greyglass/greyglass.db")
	eventually(t, "a new database", func() bool { m.Try(probe); return m.Try("test -s /var/lib/greyglass/greyglass.db").Status == 0 })
	stop()
	m.Run("sqlite3 /var/lib/greyglass/greyglass.db 'PRAGMA wal_checkpoint(TRUNCATE)'")
	m.Run("dd if=/dev/urandom of=/var/lib/greyglass/greyglass.db bs=4096 seek=1 count=2 conv=notrunc status=none")
	start()
	// The check of the database goes on beside the first answers.
	eventually(t, "the corrupt database in quarantine", func() bool { return m.Try("ls /var/lib/greyglass | grep .corrupt-").Status == 0 })
	stop()
	return m.Run("cat traces/*")
}

// operation is a call that asks for permissions, written as in apparmor.d(5).
type operation struct{ call, path, permissions string }

// permissionsOf are what AppArmor wants for the paths of a call, in order. What
// opens a file is apart; what only asks about one wants nothing.
var permissionsOf = map[string][]string{
	"unlink": {"w"}, "unlinkat": {"w"}, "rmdir": {"w"}, "mkdir": {"w"}, "mkdirat": {"w"}, "mknodat": {"w"},
	"chmod": {"w"}, "fchmodat": {"w"}, "chown": {"w"}, "lchown": {"w"}, "fchownat": {"w"}, "truncate": {"w"}, "utimensat": {"w"},
	"rename": {"rw", "w"}, "renameat": {"rw", "w"}, "renameat2": {"rw", "w"},
	"link": {"", "l"}, "linkat": {"", "l"},
	"bind": {"w"}, "connect": {"w"}, "sendto": {"w"}, "sendmsg": {"w"},
	"accept4": {}, "getsockname": {}, "getpeername": {}, "recvfrom": {}, "recvmsg": {},
	"stat": {}, "lstat": {}, "statx": {}, "newfstatat": {}, "statfs": {}, "access": {}, "faccessat": {}, "faccessat2": {}, "getcwd": {}, "fstat": {}, "chdir": {},
	"readlink": {"r"}, "readlinkat": {"r"},
	"execve": {}, // of the program itself, before it is confined
}

var (
	traced     = regexp.MustCompile(`(?m)^([a-z0-9_]+)\((.*)$`)
	tracedPath = regexp.MustCompile(`(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"([^"]+)"`)
	tracedSun  = regexp.MustCompile(`()sun_path="([^"]+)"`)
	tracedLock = regexp.MustCompile(`^\d+<(/[^>]*)>, (?:F_[A-Z_]*SETLKW?|LOCK_)`)
)

func parseTrace(t *testing.T, trace string) []operation {
	t.Helper()
	found := make(map[operation]bool)
	for _, line := range traced.FindAllStringSubmatch(trace, -1) {
		call, arguments := line[1], line[2]
		if strings.Contains(arguments, "= -1 ENOENT") {
			continue // there is nothing to mediate
		}
		if lock := tracedLock.FindStringSubmatch(arguments); lock != nil && (call == "fcntl" || call == "flock") {
			found[operation{call, lock[1], "k"}] = true
		}
		paths := tracedPath.FindAllStringSubmatch(arguments, -1)
		if strings.Contains(arguments, "sa_family=") {
			paths = tracedSun.FindAllStringSubmatch(arguments, -1)
		}
		if len(paths) == 0 {
			continue
		}
		want, known := permissionsOf[call]
		switch {
		case call == "openat" || call == "open":
			want = []string{openPermissions(arguments)}
		case !known:
			t.Errorf("what AppArmor wants for %s is not known", call)
		}
		for i, p := range paths {
			if i < len(want) {
				name := path.Clean(p[2])
				if !path.IsAbs(name) {
					name = path.Join(p[1], name)
				}
				found[operation{call, strings.Replace(name, "/proc/self/", "/proc/1/", 1), want[i]}] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b operation) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

func openPermissions(arguments string) string {
	switch {
	case strings.Contains(arguments, "O_WRONLY"):
		return "w"
	case strings.Contains(arguments, "O_RDWR"), strings.Contains(arguments, "O_CREAT"):
		return "rw"
	}
	return "r"
}

// fileRule is a line of a profile that allows something with files.
type fileRule struct {
	path        *regexp.Regexp
	permissions string
}

// parseProfile reads the file rules of a profile whose includes are laid out
// (apparmor.d(5)).
func parseProfile(t *testing.T, flat string) (rules []fileRule) {
	t.Helper()
	variables := map[string]string{"@{profile_name}": "greyglass", "@{pid}": "[0-9]*", "@{tid}": "[0-9]*"}
	variable := regexp.MustCompile(`^(@\{\w+\})\s*\+?=\s*(.*)$`)
	rule := regexp.MustCompile(`^(?:owner\s+|audit\s+|allow\s+)*"?([/@][^\s"]*)"?\s+([a-zA-Z]+),`)
	for line := range strings.Lines(flat) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
		if v := variable.FindStringSubmatch(line); v != nil {
			values := strings.ReplaceAll(strings.Join(strings.Fields(v[2]), ",")+",", "/,", ",")
			values = strings.TrimSuffix(values, ",")
			if old := variables[v[1]]; old != "" {
				values = old + "," + values
			}
			variables[v[1]] = values
		} else if r := rule.FindStringSubmatch(line); r != nil {
			rules = append(rules, fileRule{globToRegexp(expand(r[1], variables)), r[2]})
		}
	}
	if len(rules) < 10 {
		t.Fatalf("the profile has only %d rules:\n%s", len(rules), flat)
	}
	return rules
}

// expand replaces variables, which may stand for several values, in a path.
func expand(text string, variables map[string]string) string {
	name := regexp.MustCompile(`@\{\w+\}`)
	for name.MatchString(text) {
		text = name.ReplaceAllStringFunc(text, func(v string) string {
			values := variables[v]
			if strings.Contains(values, ",") {
				values = "{" + values + "}"
			}
			return values
		})
	}
	return regexp.MustCompile(`//+`).ReplaceAllString(text, "/")
}

// globToRegexp compiles a path of a profile: * stays in a folder, ** does not.
func globToRegexp(glob string) *regexp.Regexp {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case strings.HasPrefix(glob[i:], "**"):
			b.WriteString(".*")
			i++
		case c == '*':
			b.WriteString("[^/]*")
		case c == '?':
			b.WriteString("[^/]")
		case c == '{':
			b.WriteString("(?:")
			depth++
		case c == '}':
			b.WriteString(")")
			depth--
		case c == ',' && depth > 0:
			b.WriteString("|")
		case c == '[' || c == ']':
			b.WriteByte(c)
		case c == '^' && i > 0 && glob[i-1] == '[', c == '-':
			b.WriteByte(c)
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return regexp.MustCompile("^" + b.String() + "$")
}
