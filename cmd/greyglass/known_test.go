package main

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
)

// TestKnownSendersUsed: stats says which entries of the list that is built in were ever
// used, also after a restart.
func TestKnownSendersUsed(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"listen.policy": quoted("inet:127.0.0.1:0")})
	s.write("greyglass.toml", s.read("greyglass.toml")+"[[rule]]\nname = \"known\"\nwhen = 'client_in_list(\"known-senders\")'\nthen = \"accept\"\n")
	for range 2 {
		d := s.serve()
		for name, want := range map[string]string{"ext-smtp11.eu.battle.net": "rule:known", "mx.example.net": "greylist"} {
			conn, err := net.Dial("tcp", d.wait("listening", `"via":"policy"`).str("bound"))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=203.0.113.7\nclient_name=%s\nsender=ann@example.net\nrecipient=%s@example.org\n\n", name, name)
			line := d.decision(name + "@example.org")
			if got := line.str("reason"); (got == "rule:known") != (want == "rule:known") {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
			conn.Close()
		}
		d.stop()
	}
	s.output("explain", "203.0.113.7", "ann@example.net", "bob@example.org", "--client-name", "mail-mail.facebook.com")
	if got := s.output("stats"); !strings.Contains(got, "list of known senders that were ever used: 1\n") || !strings.Contains(got, "\n  battle.net  20") {
		t.Errorf("stats:\n%s", got)
	}
	var stats struct {
		KnownSenders []usedJSON `json:"known_senders"`
	}
	if err := json.Unmarshal([]byte(s.output("stats", "--json")), &stats); err != nil || len(stats.KnownSenders) != 1 || stats.KnownSenders[0].Entry != "battle.net" || stats.KnownSenders[0].UsedAt < 1_700_000_000 {
		t.Errorf("%+v, %v", stats, err)
	}
}
