package peerconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"greyglass/cmd/greyglass/internal/config"
)

// load reads a configuration as the daemon does.
func load(t *testing.T, text string) (*config.Loaded, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "greyglass.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(config.Source{File: file, FileRequired: true})
}

// converted converts a text, which must load, and leaves out what each has.
func converted(t *testing.T, kind, text string) string {
	t.Helper()
	out, err := Convert(strings.NewReader(text), "FILE", kind)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := load(t, out); err != nil {
		t.Errorf("%s: what is printed does not load: %v\n%s", kind, err, out)
	}
	_, out, _ = strings.Cut(out, "\n")
	if kind == "milter-greylist" {
		out = strings.Replace(out, "\n[greylist]\nmax_defer_time = 432000\nmax_grey = 86400\nmin_defer_time = 1800\ntoo_soon = 0\n", "", 1)
	}
	return strings.TrimSpace(out)
}

// oneLine writes a [[rule]] on one line, as the table below has it.
var oneLine = strings.NewReplacer("[[rule]]\n", "", "name = ", "", "\nwhen = ", " ", "\nthen = ", " ", "\n\n", "\n", "'''\n  ", "'''", "||\n ", "||", "\nreply =", " reply =")

func TestConvert(t *testing.T) {
	for _, c := range []struct{ kind, text, want string }{
		{"postgrey-clients", "# comment\nexample.net # comment\n/^mx\\d+\\.Example\\.com$/\n192.0.2.1\n192.0.2\n2001:db8::/32\n/(?<=x)y/\nno name\n1234\n",
			`# No equivalent has line 7: /(?<=x)y/
# the regular expression has no equivalent: invalid named capture: ` + "`(?<=x)y`" + `
# No equivalent has line 8: no name
# it is no entry of such a file
# No equivalent has line 9: 1234
# it is no entry of such a file
"postgrey-clients" '''client_name == "example.net" || client_name endsWith ".example.net" || client_name matches "(?i)^mx\\d+\\.Example\\.com$" || client_in("192.0.2.1/32") || client_in("192.0.2.0/24") || client_in("2001:db8::/32")''' "accept"`},
		{"postgrey-recipients", "postmaster@\nAbuse@example.org\nexample.com\n/^x@/\n@\n",
			`# No equivalent has line 5: @
# it is no entry of such a file
"postgrey-recipients" '''(recipient_local == "postmaster" || recipient_local startsWith "postmaster+") || (recipient_local == "abuse" || recipient_local startsWith "abuse+") && recipient_domain == "example.org" || recipient_domain == "example.com" || recipient_domain endsWith ".example.com" || recipient matches "(?i)^x@"''' "accept"`},
		{"sqlgrey-names", "*.example.net\nmx.example.com # x\n/^a.*b$/\nlocalhost\n",
			`# No equivalent has line 4: localhost
# it is no entry of such a file
"sqlgrey-names" '''client_name endsWith ".example.net" || client_name == "mx.example.com" || client_name matches "(?i)^a.*b$"''' "accept"`},
		{"sqlgrey-addresses", "192.0.2.1\n192.0.2 # x\n2001:db8::1\n10.0.0.0/33\n",
			`# No equivalent has line 4: 10.0.0.0/33
# it is no entry of such a file
"sqlgrey-addresses" '''client_in("192.0.2.1/32") || client_in("192.0.2.0/24") || client_in("2001:db8::1/128")''' "accept"`},

		{"milter-greylist", "racl whitelist addr 192.0.2.0/24\nacl whitelist domain example.net\nracl \"id\" whitelist from Ann@example.net rcpt <bob@example.org>\n" +
			"racl whitelist not helo \"mail'x\" spf\nracl greylist spf softfail delay 2h autowhite 3d\nracl blacklist from /@spam\\.example$/ msg \"Go elsewhere\"\n" +
			"racl blacklist from <> code \"550\" ecode \"5.7.9\" msg \"Not you, %i\"\nracl whitelist tls /.*/\nracl whitelist time \"* 8-16 * * 1-5\" rcpt info@example.net nolog\nracl greylist default delay 15m\n",
			`# No equivalent has line 7: racl blacklist from <> code "550" ecode "5.7.9" msg "Not you, %i"
# the rule line-7 is made of it, without its reply
# No equivalent has line 9: racl whitelist time "* 8-16 * * 1-5" rcpt info@example.net nolog
# the rule line-9 is made of it, without nolog
"line-1" 'client_in("192.0.2.0/24")' "accept"
"line-2" 'client_name endsWith "example.net"' "accept"
"line-3" 'sender contains "ann@example.net" && recipient contains "bob@example.org"' "accept"
"line-4" '''!(helo_name contains "mail'x") && spf == "pass"''' "accept"
"line-5" 'spf == "softfail"' "greylist"
max_grey = 259200
min_defer_time = 7200
"line-6" 'sender matches "(?i)@spam\\.example$"' "deny" reply = "551 5.7.1 Go elsewhere"
"line-7" 'sender == "<>"' "deny"
"line-8" 'client_tls' "accept"
"line-9" 'hour in 8..16 && weekday in 1..5 && recipient contains "info@example.net"' "accept"
"line-10" 'true' "greylist"
min_defer_time = 900`},
		{"milter-greylist", "list \"users\" rcpt { a@example.org \\\n  /^b+(c)@/ }\nlist \"nets\" addr {\n 192.0.2.0/24\n 10.0.0.0/8 }\nracl whitelist list \"users\"\nracl greylist list \"nets\"\n" +
			"dnsrbl \"any\" bl.example.org 127.0.0.0/8\ndnsrbl \"one\" bl.example.com 127.0.0.2\nracl greylist dnsrbl \"any\"\nracl greylist dnsrbl \"one\"\nracl greylist list \"none\"\ndomainexact\nracl whitelist domain example.net\n",
			`# No equivalent has line 11: racl greylist dnsrbl "one"
# it counts the answer 127.0.0.2 alone; dnsbl("bl.example.com") counts any
# No equivalent has line 12: racl greylist list "none"
# no list "none" is defined before
"line-6" '(recipient contains "a@example.org" || recipient matches "(?i)^b\\+\\(c\\)@")' "accept"
"line-7" '(client_in("192.0.2.0/24") || client_in("10.0.0.0/8"))' "greylist"
"line-10" 'dnsbl("bl.example.org")' "greylist"
"line-14" '(client_name == "example.net" || client_name endsWith ".example.net")' "accept"`},
		{"milter-greylist", "greylist 1h\nautowhite 3d\nsubnetmatch /24\nsubnetmatch6 /48\ntimeout 2d\npidfile \"/run/x.pid\"\npeer 192.0.2.1\nquiet\nfrobnicate\nracl greylist default delay 3d\nracl whitelist geoip \"DE\"\ndacl greylist spamd > 5\n\"\n",
			`# No equivalent has line 7: peer 192.0.2.1
# daemons share a PostgreSQL database in the place of peers: see contrib/postgres
# No equivalent has line 8: quiet
# leave {wait} out of greylist.reply
# No equivalent has line 9: frobnicate
# there is nothing like it in Greyglass
# No equivalent has line 10: racl greylist default delay 3d
# the delay is longer than timeout, so that nothing could ever pass
# No equivalent has line 11: racl whitelist geoip "DE"
# no rule can ask for geoip
# No equivalent has line 12: dacl greylist spamd > 5
# Greyglass does not look at the content of messages
# No equivalent has line 13: "
# a quote is not closed
[greylist]
client_prefix_ipv4 = 24
client_prefix_ipv6 = 48
max_defer_time = 172800
max_grey = 259200
min_defer_time = 3600
too_soon = 0
"line-10" 'true' "greylist"`},
		{"milter-greylist", "greylist 6d\n", "# No equivalent has line 1: greylist 6d\n# the delay is longer than timeout, so that nothing could ever pass"},
		{"milter-greylist", "timeout 1\n", "# No equivalent has line 1: timeout 1\n# the delay is longer than timeout, so that nothing could ever pass"},
		{"milter-greylist", "greylist 2d\ntimeout 1d\n", `# No equivalent has line 1: greylist 2d
# the delay is longer than timeout, so that nothing could ever pass
[greylist]
max_defer_time = 86400
max_grey = 86400
min_defer_time = 1800
too_soon = 0`},
	} {
		if got := oneLine.Replace(converted(t, c.kind, c.text)); got != c.want {
			t.Errorf("%s of\n%s\nis\n%s\nwant\n%s", c.kind, c.text, got, c.want)
		}
	}
}

// TestKindByName: the name of a file tells what it is.
func TestKindByName(t *testing.T) {
	for file, want := range map[string]string{
		"/etc/milter-greylist/greylist.conf": "milter-greylist", "/etc/postgrey/whitelist_clients.local": "postgrey-clients",
		"postgrey_whitelist_recipients": "postgrey-recipients", "clients_fqdn_whitelist": "sqlgrey-names", "/x/clients_ip_whitelist.local": "sqlgrey-addresses",
	} {
		if k, err := kindOf(file, ""); err != nil || k.name != want {
			t.Errorf("%s is %q, %v", file, k.name, err)
		}
	}
	for _, c := range []struct{ file, kind, says string }{
		{"-", "", "the name of - does not tell what it is; give --kind: milter-greylist, postgrey-clients"},
		{"greylist.conf", "postgrey", `there is no kind "postgrey"; give one of milter-greylist`},
	} {
		if _, err := Convert(strings.NewReader(""), c.file, c.kind); err == nil || !strings.HasPrefix(err.Error(), c.says) {
			t.Errorf("%v, want %s", err, c.says)
		}
	}
}

// TestHostileFiles: what is no configuration is one clear line, or comments that load.
func TestHostileFiles(t *testing.T) {
	long := strings.Repeat("x", maxFile+1)
	for _, c := range []struct{ text, says string }{{long, "FILE is longer than 4 MB"}, {"racl\x00", "FILE is not text"}} {
		if _, err := Convert(strings.NewReader(c.text), "FILE", "milter-greylist"); err == nil || !strings.HasPrefix(err.Error(), c.says) {
			t.Errorf("%.100v", err)
		}
	}
	for _, kind := range Kinds() {
		for _, text := range []string{long[1:], "\xff\xfe\n\x01", strings.Repeat("racl whitelist addr 192.0.2.1\n", 300), strings.Repeat("192.0.2.1\nmx.example.net\nann@example.net\n", 200)} {
			converted(t, kind, text)
		}
	}
}
