package doctor

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/e2e/nameserver"
)

func TestDNS(t *testing.T) {
	start := func(zone string, does nameserver.Behaviour) *nameserver.Server {
		s, err := nameserver.Start("127.0.0.1:0", zone)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		s.Behave("*", does)
		return s
	}
	server := start(`
2.0.0.127.right.example.net. A 127.0.0.2
2.0.0.127.refuses.example.net. A 127.255.255.254
1.0.0.127.refuses.example.net. A 127.255.255.254
*.everything.example.net. A 127.0.0.2
*.parked.example.net. A 192.0.2.80
`, nil)
	silent := start("", nameserver.Silent)
	show := func(allow, deny string) map[string]string {
		return map[string]string{"systemctl show greyglass.service --property=IPAddressAllow --property=IPAddressDeny": "IPAddressAllow=" + allow + "\nIPAddressDeny=" + deny + "\n"}
	}
	const everything = "0.0.0.0/0 ::/0"
	for _, c := range []struct {
		name     string
		servers  []*nameserver.Server
		lists    string
		when     string // the condition of a rule
		programs map[string]string
		want     []string
		right    []string
	}{
		{name: "not used", right: []string{"not used: no rule or identity needs it"}},
		{name: "right", servers: []*nameserver.Server{server}, lists: `"right.example.net"`, programs: show("127.0.0.0/8 ::1/128", everything),
			right: []string{server.Address() + " answers in ", "right.example.net answers as a list should"}},
		{name: "a rule's list", servers: []*nameserver.Server{server}, when: `dnsbl("gone.example.net") || dnswl("right.example.net")`,
			want:  []string{"wrong: gone.example.net is no list"},
			right: []string{"right.example.net answers as a list should"}},
		{name: "blocked by systemd", servers: []*nameserver.Server{server}, when: `spf == "fail"`, programs: show("::1/128", everything),
			want: []string{"wrong: the daemon cannot reach " + server.Address() + ": its unit has IPAddressDeny"}},
		{name: "no unit", servers: []*nameserver.Server{server}, when: `spf == "fail"`, programs: show("", "")},
		{name: "lists that are none", servers: []*nameserver.Server{server},
			lists: `"everything.example.net", "gone.example.net", "parked.example.net", "refuses.example.net", "right.example.net"`,
			want: []string{
				"wrong: everything.example.net lists every address",
				"wrong: gone.example.net is no list, or an empty one",
				"wrong: parked.example.net cannot be asked: answers 192.0.2.80",
				"wrong: refuses.example.net cannot be asked: answers 127.255.255.254: the list refuses",
			}},
		{name: "silent", servers: []*nameserver.Server{silent}, lists: `"right.example.net"`,
			want: []string{"wrong: " + silent.Address() + " does not answer within dns.timeout"}},
		{name: "one of two is silent", servers: []*nameserver.Server{silent, server}, lists: `"right.example.net"`,
			want: []string{"warn: " + silent.Address() + " does not answer"}, right: []string{server.Address() + " answers"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := subject(t, nil, c.programs)
			var servers []string
			for _, server := range c.servers {
				servers = append(servers, strconv.Quote(server.Address()))
			}
			file := filepath.Join(t.TempDir(), "greyglass.toml")
			text := ""
			if c.when != "" {
				text = "[[rule]]\nname = \"one\"\nwhen = '" + c.when + "'\nthen = \"defer\"\n"
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			loaded, err := config.Load(config.Source{File: file, Set: []string{"dns.servers=[" + strings.Join(servers, ",") + "]", "dns.blocklists=[" + c.lists + "]"}})
			if err != nil {
				t.Fatal(err)
			}
			s.Loaded = loaded
			if len(c.servers) > 0 && c.servers[0] == silent {
				loaded.Config.DNS.Timeout = 500 * time.Millisecond
			}
			got := examine(t, s, checkDNS)
			wantProblems(t, got, c.want...)
			wantOK(t, got, c.right...)
		})
	}
}
