package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"greyglass/e2e/lab"
	"greyglass/e2e/nameserver"
)

// program is one that is measured. It is started for each block, on a database
// of its own that knows the population.
type program struct {
	name  string
	start func(b *bench, database string, as shape) (*server, error)
	slow  bool // it knows few triplets, which it was told of one by one
	busy  bool // it has work of its own
	other bool // it has other answers than the loads expect
}

var programs = []program{
	{name: "no-op", start: startNoop},
	{name: "greyglass", start: startGreyglass},
	{name: "searched", start: startSearched},
	{name: "expiring", start: startExpiring, busy: true},
	{name: "gentle", start: startGentle("gentle", mostClients...), other: true},
	{name: "gentle-suspicious", start: startGentle("gentle-suspicious", "ip4:198.51.100.0/24"), other: true},
	{name: "postgres", start: startShared(1)},
	{name: "postgres-three", start: startShared(3)},
	{name: "milter-greylist", start: startMilterGreylist},
	{name: "postgrey", start: startPostgrey, slow: true},
	{name: "sqlgrey", start: startSqlgrey, slow: true},
}

func programNamed(name string) program {
	for _, p := range programs {
		if p.name == name {
			return p
		}
	}
	panic("no program is called " + name)
}

// startNoop starts the filter that does nothing.
func startNoop(b *bench, _ string, as shape) (*server, error) {
	socket := filepath.Join(b.dir, "noop.sock")
	_ = os.Remove(socket)
	return start(socket, filepath.Join(b.dir, "noop.log"),
		exec.Command(filepath.Join(b.dir, "noop"), "-socket", socket, fmt.Sprintf("-accept=%t", as.whole)))
}

// startGreyglass starts the daemon as an administrator would.
func startGreyglass(b *bench, database string, as shape) (*server, error) {
	return startDaemon(b, "greyglass", "sqlite:"+database, 0, as)
}

// mostClients are nine in ten of the clients of all triplets.
var mostClients = []string{"ip4:11.0.0.0/8", "ip4:12.0.0.0/6", "ip4:16.0.0.0/4", "ip4:32.0.0.0/3", "ip4:64.0.0.0/5", "ip4:72.0.0.0/5", "ip4:80.0.0.0/5", "ip4:88.0.0.0/5", "ip4:96.0.0.0/6"}

// senderDomains has the SPF record of all senders' domains, which includes others.
const senderDomains = `$ORIGIN example.net.
* 3600 TXT "v=spf1 include:spf.one.example include:spf.two.example -all"
$ORIGIN example.
spf.one 3600 TXT "v=spf1 ip4:192.0.2.0/25 ip6:2001:db8::/48 -all"
spf.two 3600 TXT "v=spf1 ip4:192.0.2.128/25 %s -all"
`

// startGentle starts the daemon with the profile gentle, and a name server by which SPF
// passes for the clients in these networks.
func startGentle(name string, networks ...string) func(*bench, string, shape) (*server, error) {
	return func(b *bench, database string, as shape) (*server, error) {
		if b.names[name] == nil {
			names, err := nameserver.Start("127.0.0.1:0", fmt.Sprintf(senderDomains, strings.Join(networks, " ")))
			if err != nil {
				return nil, err
			}
			b.names[name] = names
		}
		file := filepath.Join(b.dir, name+".db")
		if err := lab.CopyFile(database, file); err != nil {
			return nil, err
		}
		return startDaemon(b, name, "sqlite:"+file, 0, as, "GREYGLASS_GREYLIST__PROFILE=gentle",
			fmt.Sprintf("GREYGLASS_DNS__SERVERS=[%q]", b.names[name].Address()))
	}
}

// startExpiring starts the daemon on a database of which all has expired, and
// which is so near its ceiling that it is removed at once.
func startExpiring(b *bench, database string, as shape) (*server, error) {
	expired := filepath.Join(b.dir, "expired.db")
	if err := lab.CopyFile(filepath.Join(b.dir, fullName), expired); err != nil {
		return nil, err
	}
	rows, err := expireAll(expired)
	if err != nil {
		return nil, err
	}
	return startDaemon(b, "expiring", "sqlite:"+expired, rows+rows/20, as)
}

// startDaemon starts the daemon with the timer slack of its systemd unit.
func startDaemon(b *bench, name, url string, maxRows int64, as shape, environment ...string) (*server, error) {
	file := func(suffix string) string { return filepath.Join(b.dir, name+suffix) }
	milter, policy, config, empty := file(".milter"), file(".policy"), file(".toml"), file(".list")
	text := fmt.Sprintf("[listen]\nmilter = [%q]\npolicy = [%q]\n[store]\nurl = %q\nmax_rows = %d\n[blocked]\nsenders_file = %q\nexceptions_file = %q\n",
		"unix:"+milter, "unix:"+policy, url, maxRows, empty, empty)
	if err := errors.Join(os.WriteFile(empty, nil, 0o600), os.WriteFile(config, []byte(text), 0o600)); err != nil {
		return nil, err
	}
	socket := milter
	if as.policy {
		socket = policy
	}
	cmd := exec.Command(filepath.Join(b.dir, "greyglass"), "serve", "--config", config)
	cmd.Env = append(os.Environ(), environment...)
	if b.under != nil {
		cmd.Path, cmd.Args, cmd.Env = b.under.Path, append(slices.Clone(b.under.Args), cmd.Args...), append(b.under.Env, environment...)
	}
	return startWithSlack(socket, file(".log"), cmd)
}

// startMilterGreylist starts milter-greylist, which keeps its triplets in memory and
// reads them, at its start, from a text file (greylist.conf(5)).
func startMilterGreylist(b *bench, _ string, as shape) (*server, error) {
	dir, err := peerDir(b, "milter-greylist")
	if err != nil {
		return nil, err
	}
	dump, config, socket := filepath.Join(dir, "greylist.db"), filepath.Join(dir, "greylist.conf"), filepath.Join(dir, "sock")
	text := fmt.Sprintf("socket %q\npidfile %q\ndumpfile %q 600\nnodetach\nquiet\nracl greylist default delay 1h autowhite 30d\n",
		socket, filepath.Join(dir, "pid"), dump)
	if err := errors.Join(fillDump(dump, b.rowsWanted, time.Now()), os.WriteFile(config, []byte(text), 0o600)); err != nil {
		return nil, err
	}
	return start(socket, filepath.Join(b.dir, "milter-greylist.log"), exec.Command(b.milterGreylist, "-f", config))
}

// startPostgrey starts postgrey with the shortest wait that it knows.
func startPostgrey(b *bench, _ string, _ shape) (*server, error) {
	dir, err := peerDir(b, "postgrey")
	if err != nil {
		return nil, err
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "sock")
	return start(socket, filepath.Join(b.dir, "postgrey.log"), lab.Script(lab.Postgrey, "usr/sbin/postgrey", "--unix="+socket,
		"--dbdir="+dir, "--user=root", "--group=root", "--delay=1", "--auto-whitelist-clients=0",
		"--whitelist-clients="+empty, "--whitelist-recipients="+empty))
}

// startSqlgrey starts sqlgrey on SQLite, without a wait.
func startSqlgrey(b *bench, _ string, _ shape) (*server, error) {
	dir, err := peerDir(b, "sqlgrey")
	if err != nil {
		return nil, err
	}
	socket, config := filepath.Join(dir, "sock"), filepath.Join(dir, "sqlgrey.conf")
	text := strings.Join([]string{"conf_dir = " + lab.File(lab.Sqlgrey, "etc/sqlgrey"), "user = root", "group = root", "unix = " + socket,
		"pidfile = " + filepath.Join(dir, "pid"), "reconnect_delay = 0", "db_type = SQLite", "db_name = " + filepath.Join(dir, "sqlgrey.db"),
		"greymethod = full", "discrimination = off"}, "\n") + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return start(socket, filepath.Join(b.dir, "sqlgrey.log"), lab.Script(lab.Sqlgrey, "usr/sbin/sqlgrey", "-f", config))
}

// peerDir makes an empty folder for a peer's files.
func peerDir(b *bench, name string) (string, error) {
	dir := filepath.Join(b.dir, name)
	return dir, errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700))
}
