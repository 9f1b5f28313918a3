package lab

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Pooler starts a PgBouncer in front of the server, which gives a session of the server to
// each transaction, and returns its port at 127.0.0.1. It knows the password of one role.
// It ends with the test.
func (d *Database) Pooler(role, password string) (port int) {
	d.t.Helper()
	if !prepared(PgBouncer) {
		d.t.Fatalf("lab: %s is not prepared: name it in a call of lab.Prepare or lab.Main", PgBouncer)
	}
	port = portForDatabase(d.t)
	dir := filepath.Join(d.Dir, fmt.Sprint("pgbouncer", port))
	settings := fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%d
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = plain
auth_file = %s/users
pool_mode = transaction
default_pool_size = 4
max_client_conn = 100
`, d.Port, port, dir)
	if err := os.Mkdir(dir, 0o755); err != nil {
		d.t.Fatal(err)
	}
	for name, text := range map[string]string{"pgbouncer.ini": settings, "users": fmt.Sprintf("%q %q\n", role, password)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			d.t.Fatal(err)
		}
	}
	cmd := Command(PgBouncer, filepath.Join(dir, "pgbouncer.ini"))
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: databaseUID, Gid: databaseUID}}
	cmd.Stdout, cmd.Stderr = d.out, d.out
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	d.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	if !poll(20*time.Second, func() bool {
		select {
		case <-ended: // another program has taken the port, and would answer in its place
			d.t.Fatalf("lab: pgbouncer has ended:\n%s", d.Log())
		default:
		}
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}) {
		d.t.Fatalf("lab: pgbouncer did not come up:\n%s", d.Log())
	}
	return port
}
