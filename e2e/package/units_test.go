package pkg

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"greyglass/e2e/lab"
)

// The daemon under systemd, with the whole sandbox of its unit.
func TestUnits(t *testing.T) {
	t.Parallel()
	m := machine(t)
	m.Run("apt-get install -q -y ./greyglass.deb")

	t.Run("a member of the group reaches the sockets, and nothing else", func(t *testing.T) {
		m.Run("useradd -G greyglass member && useradd outsider")
		ask := probe + " --to unix:/run/greyglass/milter.sock"
		wants(t, m.Run("runuser -u member -- "+ask), "defer")
		for _, command := range []string{
			"runuser -u outsider -- " + ask,
			"runuser -u member -- ls /var/lib/greyglass",
			"runuser -u member -- cat /var/lib/greyglass/greyglass.db",
			"runuser -u member -- touch /run/greyglass/x",
			"runuser -u member -- rm -f /run/greyglass/milter.sock",
			"runuser -u member -- sh -c 'echo >>/etc/greyglass/blocked_emails.list'",
		} {
			if r := m.Try(command); r.Status == 0 || !strings.Contains(strings.ToLower(r.Output), "permission denied") {
				t.Errorf("%s: status %d, %s", command, r.Status, r.Output)
			}
		}
		// The commands, run by root, leave nothing that the daemon may not open.
		m.Run("greyglass list && greyglass stats && greyglass pass 203.0.113.8 a@example.net b@example.org")
		if others := m.Run("find /var/lib/greyglass ! -user greyglass"); others != "" {
			t.Errorf("not the daemon's own: %s", others)
		}
	})

	t.Run("a member of greyglass-admin reads, and changes nothing", func(t *testing.T) {
		m.Run("useradd ann && usermod -aG greyglass-admin,greyglass,systemd-journal ann")
		as := func(user, command string) string { return "runuser -u " + user + " -- greyglass " + command }
		const triplet = " 203.0.113.7 ann@example.net bob@example.org"
		reads := func() {
			t.Helper()
			wants(t, m.Run(as("ann", "list")), "ann@example.net\tbob@example.org")
			wants(t, m.Run(as("ann", "stats")), "waiting  ")
			wants(t, m.Run(as("ann", "explain"+triplet)), "too-soon")
			wants(t, m.Try(as("ann", "doctor")).Output, "greyglass.db is sound (")
		}
		reads()
		wants(t, m.Run(as("ann", "status")), ", pid ")
		wants(t, m.Run(as("outsider", "status")), "More is shown to root, and to users in the group of the daemon's sockets.")
		wants(t, m.Run(as("ann", "log")), " deferred (probe) ann@example.net -> bob@example.org ")
		for _, c := range []struct{ user, command, says string }{
			{"ann", "pass" + triplet, "may read the database, and not change it: write /var/lib/greyglass/greyglass.db: permission denied; run it as the user greyglass (sudo -u greyglass greyglass ...)\n"},
			{"outsider", "list", "permission denied; run it as the user greyglass (sudo -u greyglass greyglass ...), or as a member of the group greyglass-admin"},
			{"outsider", "log", "insufficient permissions"},
		} {
			if r := m.Try(as(c.user, c.command)); r.Status == 0 || !strings.Contains(r.Output, c.says) {
				t.Errorf("%s as %s: status %d, %s", c.command, c.user, r.Status, r.Output)
			}
		}
		m.Run("systemctl stop greyglass.socket greyglass.service")
		reads()
		m.Run("rm -r /var/lib/greyglass && systemctl start greyglass.socket greyglass.service && " + probe)
		reads()
	})

	t.Run("permissions of the configuration hold for systemd's sockets too", func(t *testing.T) {
		m.Run("printf '[listen]\\nsocket_mode = \"0600\"\\n' >/etc/greyglass/greyglass.toml && systemctl restart greyglass")
		wants(t, m.Run("stat -c %a /run/greyglass/milter.sock"), "600")
		m.Run(": >/etc/greyglass/greyglass.toml && systemctl restart greyglass")
		wants(t, m.Run("stat -c %a /run/greyglass/milter.sock"), "660")
	})

	t.Run("a member of another group gives its sockets to that", func(t *testing.T) {
		m.Run("groupadd mta && usermod -aG mta greyglass && printf '[listen]\\nsocket_group = \"mta\"\\n' >/etc/greyglass/greyglass.toml && systemctl restart greyglass")
		wants(t, m.Run("stat -c %G /run/greyglass/milter.sock /run/greyglass/policy.sock"), "mta\nmta\n")
		m.Run(": >/etc/greyglass/greyglass.toml && systemctl restart greyglass")
	})

	t.Run("restarts under load refuse no request", func(t *testing.T) {
		m.Run(`for to in inet:127.0.0.1:8895 unix:/run/greyglass/milter.sock; do
			(while [ ! -e stop ]; do
				greyglass probe 203.0.113.7 $$@example.net bob@example.org --to $to >>asked 2>>refused || echo "$to" >>refused
			done) >/dev/null 2>&1 &
		done`)
		asked := func() int { return strings.Count(m.Run("cat asked || true"), "verdict") }
		for range 3 {
			before := asked()
			m.Run("systemctl restart greyglass")
			eventually(t, "mail to flow after a restart", func() bool { return asked() > before+20 })
		}
		m.Run("touch stop")
		time.Sleep(time.Second)
		if refused := m.Run("cat refused 2>/dev/null || true"); refused != "" {
			t.Errorf("of %d requests, refused: %s", asked(), refused)
		}
		t.Logf("%d requests, three restarts", asked())
	})

	t.Run("the journal has priorities, and logcheck ignores what is normal", func(t *testing.T) {
		m.Run("echo '@@@' >/etc/greyglass/blocked_emails.list")
		eventually(t, "an error in the journal", func() bool {
			return strings.Contains(m.Run("journalctl -u greyglass -p err -o cat"), `level=ERROR msg="cannot read the list`)
		})
		m.Run(": >/etc/greyglass/blocked_emails.list && systemctl reload greyglass")
		if strings.Contains(m.Run("journalctl -u greyglass -o cat"), "<6>") {
			t.Error("the text still has priorities")
		}
		short := "journalctl -t greyglass -o short --no-pager -q"
		rule := "/etc/logcheck/ignore.d.server/greyglass"
		if left := m.Run(short + " -p info..notice | grep -Evf " + rule + " || true"); left != "" {
			t.Errorf("logcheck would report: %s", left)
		}
		wants(t, m.Run(short+" | grep -Evf "+rule), "level=ERROR")
		// The line is as greyglass-log(5) says, and has the facility mail.
		decision := regexp.MustCompile(`(?m)^time=\S+ level=INFO msg=decision verdict=defer reason=\S+ client=203\.0\.113\.7 helo=\S+ sender=\S+ recipient=bob@example\.org wait=\d+ via=probe took=[0-9.]+ms$`)
		if log := m.Run("journalctl -u greyglass -o cat SYSLOG_FACILITY=2"); !decision.MatchString(log) {
			t.Error("no line of a decision is as the manual says")
		}
	})

	t.Run("a daemon that crashes or hangs is restarted", func(t *testing.T) {
		restarts := func() string { return strings.TrimSpace(m.Run("systemctl show --value -p NRestarts greyglass")) }
		m.Run("systemctl kill -s KILL --kill-who=main greyglass")
		eventually(t, "a restart after a crash", func() bool { return restarts() == "1" })
		m.Run("mkdir -p /run/systemd/system/greyglass.service.d && printf '[Service]\\nWatchdogSec=2\\n' >/run/systemd/system/greyglass.service.d/w.conf && systemctl daemon-reload && systemctl restart greyglass")
		m.Run("systemctl kill -s STOP --kill-who=main greyglass")
		eventually(t, "a restart by the watchdog", func() bool { return strings.Contains(m.Run("journalctl -u greyglass -o cat"), "Watchdog timeout") })
		eventually(t, "an answer after that", func() bool { return m.Try(probe).Status == 0 })
		m.Run("rm -r /run/systemd/system/greyglass.service.d && systemctl daemon-reload && systemctl restart greyglass")
	})

	t.Run("mistakes in the configuration are not tried again", func(t *testing.T) {
		m.Run("echo nonsense >/etc/greyglass/greyglass.toml")
		if m.Try("systemctl restart greyglass").Status == 0 {
			t.Error("it started with nonsense for a configuration")
		}
		wants(t, m.Run("systemctl show -p ExecMainStatus -p ActiveState greyglass"), "ExecMainStatus=78", "ActiveState=failed")
		m.Run(": >/etc/greyglass/greyglass.toml && systemctl reset-failed greyglass.socket greyglass.service; systemctl restart greyglass.socket && systemctl restart greyglass")
		m.Run(probe)
	})
}

// Sockets by systemd's own tool, which starts the daemon at the first connection:
// by name, and by address.
func TestSocketActivate(t *testing.T) {
	t.Parallel()
	m := machine(t)
	m.Run("apt-get install -q -y ./greyglass.deb && systemctl stop greyglass.socket greyglass.service")
	for name, listen := range map[string]string{
		"by name":    `milter = ["systemd:milter"]\npolicy = ["systemd:policy"]`,
		"by address": `milter = ["inet:127.0.0.1:7001"]\npolicy = ["inet:localhost:7002"]`,
	} {
		m.Run(`printf '[listen]\n` + listen + `\n[store]\nurl = "sqlite:/root/try.db"\n' >try.toml`)
		m.Run("systemd-socket-activate -l 127.0.0.1:7001 -l 127.0.0.1:7002 --fdname=milter:policy greyglass serve --config /root/try.toml >log 2>&1 & echo $! >pid")
		eventually(t, "an answer, "+name, func() bool { return m.Try(probe+" --to inet:127.0.0.1:7001").Status == 0 })
		log := m.Run("cat log")
		wants(t, log, "via=milter", "bound=127.0.0.1:7001", "bound=127.0.0.1:7002")
		if strings.Contains(log, "level=WARN msg=\"systemd passed a socket") {
			t.Errorf("%s: a socket was not taken over: %s", name, log)
		}
		m.Run("kill $(cat pid) && while kill -0 $(cat pid) 2>/dev/null; do sleep 0.1; done")
	}
}

// A socket that systemd opens and the configuration does not name is logged.
func TestUnnamedSocket(t *testing.T) {
	t.Parallel()
	m := machine(t)
	m.Run(`apt-get install -q -y ./greyglass.deb && printf '[listen]\npolicy = []\n' >/etc/greyglass/greyglass.toml && systemctl restart greyglass`)
	wants(t, m.Run("journalctl -u greyglass -p warning -o cat"), "systemd passed a socket", "address=/run/greyglass/policy.sock", "address=127.0.0.1:8897")
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timeout waiting for %s", what)
		}
	}
}

func bringText(t *testing.T, m *lab.Machine, text, to string) {
	t.Helper()
	if err := os.WriteFile(m.Path(to), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
