package doctor

import (
	"context"
	"strings"
	"testing"

	"greyglass/cmd/greyglass/internal/config"
)

// The site's own clients, as each mail server names them, must be clients that
// Greyglass accepts; what is to be added is told by the line.
func TestRelayClients(t *testing.T) {
	const (
		cf   = "Kaccess hash -T<TMPF> -o /etc/mail/access\nFR-o /etc/mail/relay-domains\n" + sendmailCF
		line = "write 'allowed_sender_nets = ["
	)
	postfix := func(main string) map[string]string {
		return map[string]string{"postconf -x": over(debianPostfix, main), "postconf -M": debianMaster, "postconf -Px": ""}
	}
	exim := func(hosts string) map[string]string {
		return map[string]string{"exim4 -bP config": "hostlist relay_from_hosts = " + hosts + "\n" + eximConfig,
			"exim4 -bP acl_smtp_rcpt acl_smtp_predata acl_smtp_data chunking_advertise_hosts exim_user": eximOptions}
	}
	for _, c := range []struct {
		name     string
		set      []string // of the configuration
		files    map[string]string
		programs map[string]string
		check    func(context.Context, *exam)
		want     string // empty: all is right
		fix      string
	}{
		{name: "Debian's", programs: postfix(milterLines + "mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128"), check: checkPostfix},
		{name: "a network", programs: postfix(milterLines + "mynetworks = 127.0.0.0/8, 192.0.2.0/24 [2001:db8::]/32"), check: checkPostfix,
			want: "wrong: relays mail of 192.0.2.0/24, 2001:db8::/32 (mynetworks)", fix: line + `"192.0.2.0/24", "2001:db8::/32"]' below [rules] in /etc/greyglass/greyglass.toml`},
		{name: "a network beside an accepted one", set: []string{`rules.allowed_sender_nets=["10.0.0"]`},
			programs: postfix(milterLines + "mynetworks = 10.0.0.4/32 192.0.2.7"), check: checkPostfix,
			want: "wrong: relays mail of 192.0.2.7/32 (mynetworks)", fix: line + `"10.0.0", "192.0.2.7/32"]'`},
		{name: "accepted", set: []string{`rules.allowed_sender_nets=["192.0.0.0/16"]`, `rules.allowed_senders=["198.51.100.7"]`},
			programs: postfix(milterLines + "mynetworks = 192.0.2.0/24 !192.0.2.5 198.51.100.7"), check: checkPostfix},
		{name: "half accepted", set: []string{`rules.allowed_sender_nets=["192.0.2.0/25"]`}, programs: postfix(milterLines + "mynetworks = 192.0.2.0/24"), check: checkPostfix,
			want: "wrong: relays mail of 192.0.2.0/24", fix: line + `"192.0.2.0/25", "192.0.2.0/24"]'`},
		{name: "a file", files: map[string]string{"/etc/postfix/networks": "# ours\n192.0.2.0/24\n"}, programs: postfix(milterLines + "mynetworks = /etc/postfix/networks"), check: checkPostfix,
			want: "wrong: relays mail of 192.0.2.0/24", fix: line},
		{name: "a table", programs: postfix(milterLines + "mynetworks = cidr:/etc/postfix/networks"), check: checkPostfix,
			want: "warn: not given by address (mynetworks: cidr:/etc/postfix/networks)", fix: "rules.allowed_senders"},
		{name: "by policy, asked after permit_mynetworks but for DATA", programs: postfix(policyLines + "mynetworks = 192.0.2.0/24"), check: checkPostfix,
			want: "wrong: relays mail of 192.0.2.0/24", fix: "permit_mynetworks before each check_policy_service"},
		{name: "by policy, always asked after permit_mynetworks", check: checkPostfix,
			programs: postfix(policyLines + "mynetworks = 192.0.2.0/24\nsmtpd_data_restrictions = permit_mynetworks, check_policy_service inet:127.0.0.1:8897")},
		{name: "Debian's access map", files: map[string]string{sendmailFile: cf, "/etc/mail/access": "Connect:localhost\tRELAY\nGreetPause:localhost 0\nConnect:127 RELAY\nConnect:IPv6:::1 RELAY\n#10 RELAY\nTo:example.org RELAY\n10.9 REJECT\n"},
			check: checkSendmail},
		{name: "an access map", files: map[string]string{sendmailFile: cf, "/etc/mail/access": "Connect:192.0.2 RELAY\nexample.org RELAY\nIPv6:2001:db8 RELAY\n", "/etc/mail/relay-domains": "10.1.2.3\nexample.net\n"},
			check: checkSendmail, want: "wrong: relays mail of 10.1.2.3/32, 192.0.2.0/24, 2001:db8::/32 (RELAY in the access map)", fix: line},
		{name: "an access map with a name", files: map[string]string{sendmailFile: cf, "/etc/mail/access": "Connect:scan.example.org RELAY\n"},
			check: checkSendmail, want: "warn: not given by address (RELAY in the access map: scan.example.org)", fix: "rules.allowed_senders"},
		{name: "Debian's hosts", programs: exim(": 127.0.0.1 : ::::1"), check: checkExim},
		{name: "hosts", programs: exim("127.0.0.1 : 2001::db8::::/32 : 192.0.2.0/24"), check: checkExim, want: "wrong: relays mail of 192.0.2.0/24, 2001:db8::/32 (relay_from_hosts)", fix: line},
		{name: "hosts with a separator", programs: exim("<; 127.0.0.1 ; 2001:db8::/32"), check: checkExim, want: "wrong: relays mail of 2001:db8::/32", fix: line},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := subject(t, c.files, c.programs)
			s.ConfigFile = config.DefaultFile
			var err error
			if s.Loaded, err = config.Load(config.Source{Set: c.set}); err != nil {
				t.Fatal(err)
			}
			got := examine(t, s, c.check)
			if c.want == "" {
				wantProblems(t, got)
				return
			}
			wantProblems(t, got, c.want)
			for _, f := range got {
				if f.Status != OK && !strings.Contains(f.Fix, c.fix) {
					t.Errorf("the fix is %q, want %q in it", f.Fix, c.fix)
				}
			}
		})
	}
}

// Before a mail server is attached, doctor says which of its clients Greyglass must be told
// of first, since the pages for mail servers begin with that.
func TestRelayClientsBeforeAttachment(t *testing.T) {
	for _, c := range []struct {
		name            string
		files, programs map[string]string
		check           func(context.Context, *exam)
		want            string
	}{
		{"Postfix", nil, map[string]string{"postconf -x": over(debianPostfix, "mynetworks = 127.0.0.0/8 192.0.2.0/24"), "postconf -M": debianMaster, "postconf -Px": ""},
			checkPostfix, "mynetworks"},
		{"Exim", nil, map[string]string{"exim4 -bP config": "hostlist relay_from_hosts = 127.0.0.1 : 192.0.2.0/24\n",
			"exim4 -bP acl_smtp_rcpt acl_smtp_predata acl_smtp_data chunking_advertise_hosts exim_user": eximOptions}, checkExim, "relay_from_hosts"},
		{"Sendmail", map[string]string{sendmailFile: "Kaccess hash -T<TMPF> -o /etc/mail/access\n", "/etc/mail/access": "Connect:192.0.2 RELAY\n"}, nil,
			checkSendmail, "RELAY in the access map"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := subject(t, c.files, c.programs)
			s.ConfigFile = config.DefaultFile
			got := examine(t, s, func(ctx context.Context, v *exam) { c.check(ctx, v); checkAttachment(ctx, v) })
			wantProblems(t, got, "wrong: relays mail of 192.0.2.0/24 ("+c.want+")", "wrong: no mail server asks Greyglass")
		})
	}
}
