package lab

import (
	"os"
	"path/filepath"
)

// etcFiles are the files of /etc that an instance has of its own.
var etcFiles = []string{"hosts", "resolv.conf", "nsswitch.conf", "passwd", "group"}

// The account and group as which the MTAs work and deliver; base-passwd gives
// them these numbers on every Debian. A test that wants a socket to be reached
// by its group names the group "mail".
const (
	mailUID = 8
	mailGID = 8
)

// writeEtc fills an instance's own /etc: names come from a file and, if there is one,
// from the test's DNS server; they are the same on every machine, like the accounts.
func writeEtc(etc string, o Options, mta MTA) error {
	sources, server := "files", "127.0.0.1"
	if o.NameServer != "" {
		sources, server = "files dns", o.NameServer
	}
	passwd := `root:x:0:0::/root:/bin/sh
daemon:x:1:1::/:/usr/sbin/nologin
mail:x:8:8::/:/usr/sbin/nologin
nobody:x:65534:65534::/:/usr/sbin/nologin
`
	group := "root:x:0:\ndaemon:x:1:\nmail:x:8:\nnogroup:x:65534:\n"
	if mta == Exim {
		// Debian compiled this name into Exim; here it is the same account. Postfix
		// would not start with two names for one.
		passwd += "Debian-exim:x:8:8::/:/usr/sbin/nologin\n"
		group += "Debian-exim:x:8:\n"
	}
	files := map[string]string{
		"hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost\n" +
			"127.0.0.1 " + Hostname + " mx\n" + o.Hosts + "\n",
		"resolv.conf":   "nameserver " + server + "\noptions timeout:1 attempts:1\n",
		"nsswitch.conf": "passwd: files\ngroup: files\nhosts: " + sources + "\nservices: files\nprotocols: files\n",
		"passwd":        passwd,
		"group":         group,
	}
	if err := os.MkdirAll(etc, 0o755); err != nil {
		return err
	}
	for _, name := range etcFiles {
		if err := os.WriteFile(filepath.Join(etc, name), []byte(files[name]), 0o644); err != nil {
			return err
		}
	}
	return nil
}
