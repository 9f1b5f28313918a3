package pkg

import (
	"strings"
	"testing"
)

// Under systemd, with a database whose disk takes nothing when the daemon starts:
// the unit stays up, its sockets answer by store.on_error, and once there is room
// it greylists by itself.
func TestDiskFullAtStart(t *testing.T) {
	t.Parallel()
	m := machine(t)
	m.Run("apt-get install -q -y ./greyglass.deb")
	for _, c := range []struct{ name, fill, room string }{
		{"full", "dd if=/dev/zero of=/var/lib/greyglass/filler bs=4096 status=none || true", "rm /var/lib/greyglass/filler"},
		// The file system alone, as after an error, and not the mount, of which the unit has its own.
		{"read-only", "mount -o remount,ro /var/lib/greyglass && mount -o remount,bind,rw /var/lib/greyglass", "mount -o remount,rw /var/lib/greyglass"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m.Run("systemctl stop greyglass.socket greyglass.service && mount -t tmpfs -o size=2m,mode=0700,uid=greyglass,gid=greyglass tmpfs /var/lib/greyglass")
			m.Run(c.fill)
			m.Run("systemctl start greyglass.socket greyglass.service")
			for _, to := range []string{"inet:127.0.0.1:8895", "unix:/run/greyglass/milter.sock"} {
				wants(t, m.Run(probe+" --to "+to), "accept")
			}
			wants(t, m.Run("systemctl show -p ActiveState -p NRestarts greyglass"), "ActiveState=active", "NRestarts=0")
			wants(t, m.Run("journalctl -u greyglass -o cat"), "reason=error")
			m.Run(c.room)
			eventually(t, "greylisting once there is room", func() bool { return strings.Contains(m.Run(probe), "451 4.7.1 Greylisted") })
			wants(t, m.Run("systemctl show -p NRestarts greyglass"), "NRestarts=0")
			m.Run("systemctl stop greyglass.socket greyglass.service && umount /var/lib/greyglass")
		})
	}
}
