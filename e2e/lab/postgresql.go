package lab

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Database is a PostgreSQL server with a cluster of its own, which does all that
// it can for what it is told not to be lost (fsync is on). Its superuser is
// "postgres", by [Database.SQL] and by nothing else: by the network every role
// needs the password that SQL gave them. Its certificate is for [Hostname], by the
// authority whose own is ca.pem in Dir.
type Database struct {
	Dir  string
	Port int // at 127.0.0.1

	t    testing.TB
	out  *os.File      // what its programs print
	cmd  *exec.Cmd     // nil when stopped
	gone chan struct{} // closed when it has ended
}

// databaseUID is the user nobody: PostgreSQL refuses to run as root. base-passwd gives it
// this number on every Debian.
const databaseUID = 65534

// databaseSettings are postgresql.conf, in which the last line of a name counts.
// The private /dev has no /dev/shm.
const databaseSettings = `
listen_addresses = '127.0.0.1'
unix_socket_directories = '%[1]s'
ssl = on
ssl_cert_file = '%[1]s/server.pem'
ssl_key_file = '%[1]s/server.key'
dynamic_shared_memory_type = mmap
shared_buffers = 64MB
max_connections = 200
log_min_messages = warning
hot_standby = on
wal_level = replica
`

// databaseAccess is pg_hba.conf.
const databaseAccess = `
local all postgres trust
local replication postgres trust
host replication postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
`

// StartDatabase makes a cluster and starts a server on it, which is stopped when
// the test ends; it skips or fails t where that cannot be. Unlike mail servers it
// needs no network namespace, so that [Prepare] is enough. More lines of
// postgresql.conf may follow.
func StartDatabase(t testing.TB, settings ...string) *Database {
	t.Helper()
	d := newDatabase(t)
	d.make(func(data string) error {
		return d.tool("initdb", "--pgdata", data, "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync",
			"--auth=trust").Run()
	}, settings)
	d.Start()
	return d
}

// Standby makes a copy of the server that follows it (streaming replication), and
// returns once it does. The standby knows the primary by its present port.
func (d *Database) Standby() *Database {
	d.t.Helper()
	s := newDatabase(d.t)
	s.make(func(data string) error {
		return s.tool("pg_basebackup", "--pgdata", data, "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast",
			"--no-sync", "--dbname", fmt.Sprintf("host=127.0.0.1 port=%d user=postgres", d.Port)).Run()
	}, nil)
	s.Start()
	if !poll(60*time.Second, func() bool {
		return d.SQL("postgres", "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") != "0"
	}) {
		d.t.Fatalf("lab: the standby does not follow:\n%s", s.Log())
	}
	return s
}

// Promote makes a primary of a standby, and returns once it is.
func (d *Database) Promote() {
	d.t.Helper()
	if got := d.SQL("postgres", "SELECT pg_promote()"); got != "t" {
		d.t.Fatalf("lab: pg_promote: %s\n%s", got, d.Log())
	}
}

func newDatabase(t testing.TB) *Database {
	t.Helper()
	if !prepared(PostgreSQL) {
		t.Fatalf("lab: %s is not prepared: name it in a call of lab.Prepare or lab.Main", PostgreSQL)
	}
	dir, err := newRunFolder(string(PostgreSQL))
	if err == nil {
		err = os.Chown(dir, databaseUID, databaseUID)
	}
	if err == nil {
		err = writeEtc(filepath.Join(dir, "etc"), Options{}, PostgreSQL)
	}
	if err == nil {
		err = writeServerTLS(dir)
	}
	if err == nil {
		err = os.Chown(filepath.Join(dir, "server.key"), databaseUID, databaseUID)
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(filepath.Join(dir, "out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	d := &Database{Dir: dir, t: t, out: out}
	t.Cleanup(func() {
		d.Stop()
		out.Close()
		if t.Failed() {
			t.Logf("log of %s:\n%s", PostgreSQL, d.Log())
		}
		dropRunFolder(t, dir)
	})
	return d
}

// make makes the cluster's files, and configures it.
func (d *Database) make(fill func(data string) error, settings []string) {
	d.t.Helper()
	if err := fill(d.data()); err != nil {
		d.t.Fatalf("lab: %v\n%s", err, d.Log())
	}
	conf, err := os.OpenFile(filepath.Join(d.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	defer conf.Close()
	if _, err := fmt.Fprintf(conf, databaseSettings+"%[2]s\n", d.Dir, strings.Join(settings, "\n")); err != nil {
		d.t.Fatal(err)
	}
	access := filepath.Join(d.data(), "pg_hba.conf")
	if err := os.WriteFile(access, []byte(databaseAccess), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *Database) data() string { return filepath.Join(d.Dir, "data") }

// Log returns what the server, and the programs that made its cluster, printed.
func (d *Database) Log() string {
	out, _ := os.ReadFile(filepath.Join(d.Dir, "out"))
	return string(out)
}

// Start starts the server, and returns when it answers. It has the port that it
// had before.
func (d *Database) Start() {
	d.t.Helper()
	if d.Port != 0 {
		if err := d.launch(d.Port); err != nil {
			d.t.Fatalf("lab: %v\n%s", err, d.Log())
		}
		return
	}
	var err error
	for range 3 { // another program may take the port in between
		port := portForDatabase(d.t)
		if err = d.launch(port); err == nil {
			return
		}
	}
	d.t.Fatalf("lab: %v\n%s", err, d.Log())
}

// portForDatabase is one that was free a moment ago.
func portForDatabase(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (d *Database) launch(port int) error {
	d.Port = port
	cmd := d.tool("postgres", "-D", d.data(), "-p", fmt.Sprint(port))
	cmd.SysProcAttr.Setsid = true
	if err := startPrivately(cmd, filepath.Join(d.Dir, "etc")); err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() { _ = cmd.Wait(); close(gone) }()
	d.cmd, d.gone = cmd, gone
	ready := func() bool { return d.psql("postgres", "SELECT 1").Run() == nil }
	if poll(60*time.Second, func() bool { return d.ended() || ready() }) && !d.ended() {
		return nil
	}
	d.Kill()
	return fmt.Errorf("%s did not come up", PostgreSQL)
}

func (d *Database) ended() bool {
	select {
	case <-d.gone:
		return true
	default:
		return false
	}
}

// Kill ends every process of the server as a crash does.
func (d *Database) Kill() {
	d.t.Helper()
	if d.cmd == nil {
		return
	}
	if err := killAll(d.Dir); err != nil {
		d.t.Error(err)
	}
	<-d.gone
	d.cmd = nil
}

// Stop ends the server in good order, without waiting for its clients ("fast
// shutdown"). Stopping twice is allowed.
func (d *Database) Stop() {
	d.t.Helper()
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Signal(syscall.SIGINT)
	_ = d.cmd.Process.Signal(syscall.SIGCONT)
	if !poll(20*time.Second, d.ended) {
		d.t.Errorf("lab: %s does not end", PostgreSQL)
	}
	d.Kill()
}

// CPU is how much processor time the server has used, and is still known to have:
// that of connections that were closed counts with their parent's (proc(5)).
func (d *Database) CPU() time.Duration {
	var ticks time.Duration
	for _, pid := range processesOf(d.Dir) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has just ended
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		for _, f := range fields[11:15] {
			n, _ := strconv.Atoi(f)
			ticks += time.Duration(n)
		}
	}
	return ticks * 10 * time.Millisecond // USER_HZ is 100
}

// Signal sends a signal to every process of the server.
func (d *Database) Signal(s syscall.Signal) {
	for _, pid := range processesOf(d.Dir) {
		_ = syscall.Kill(pid, s)
	}
}

// SQL runs statements as the superuser, and returns what they print, bare.
func (d *Database) SQL(database, statements string) string {
	d.t.Helper()
	cmd := d.psql(database, statements)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		d.t.Fatalf("psql: %v: %s", err, errs.String())
	}
	return strings.TrimSpace(out.String())
}

// Script runs a file of statements as the superuser, by psql with its commands.
func (d *Database) Script(database, file string) {
	d.t.Helper()
	cmd := d.psql(database, `SELECT 1`)
	cmd.Args = append(cmd.Args[:len(cmd.Args)-2], "--file", file)
	cmd.Stdout, cmd.Stderr = nil, nil
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("psql: %v: %s", err, out)
	}
}

func (d *Database) psql(database, statements string) *exec.Cmd {
	return d.tool("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1",
		"--host", d.Dir, "--port", fmt.Sprint(d.Port), "--username=postgres", "--dbname", database, "--command", statements)
}

// tool is a program of PostgreSQL, run by its user, which adds what it prints to
// the log.
func (d *Database) tool(name string, args ...string) *exec.Cmd {
	server := Command(PostgreSQL)
	cmd := exec.Command(filepath.Join(filepath.Dir(server.Path), name), args...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LANG=C", "HOME=" + d.Dir, "LD_LIBRARY_PATH=" + libraryPath(rootOf(PostgreSQL))}
	cmd.Dir = d.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: databaseUID, Gid: databaseUID}}
	cmd.Stdout, cmd.Stderr = d.out, d.out
	return cmd
}
