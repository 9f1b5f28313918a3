package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestRulesPage tries each example of contrib/rules.md: of each section's rules, in
// their order, every one must answer what it is shown for, and nothing else.
func TestRulesPage(t *testing.T) {
	t.Setenv("TZ", "UTC")
	page, err := os.ReadFile("../../contrib/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	lists := map[string]string{ // by their names on the page
		"/etc/postgrey/whitelist_clients":       "# postgrey's own\nexample.net\n/^mx[0-9]+\\.pool\\.example$/\n192.0.2.64/26\n198.51.100.9\n",
		"/etc/postgrey/whitelist_clients.local": "mine.example\n",
		"/etc/postgrey/whitelist_recipients":    "postmaster@\nexample.info\nhans@example.org\n",
		"/etc/greyglass/optout.list":            "opted@example.org\n",
		"/etc/greyglass/optin.list":             "in@example.org\n",
	}
	var sites []*site
	for _, example := range examples {
		s, text := newSite(t, nil), example[1]
		for name, content := range lists {
			file := strings.ReplaceAll(strings.Trim(name, "/"), "/", "_")
			s.write(file, content)
			text = strings.ReplaceAll(text, `"`+name+`"`, `"`+s.path(file)+`"`)
		}
		s.configureRules(nil, text)
		sites = append(sites, s)
	}
	const grey, listed = `"not-seen-before"`, `"wait":7200`
	const workday, night, sunday = 1_700_220_000, 1_700_190_000, 1_700_400_000 // Friday 11:20 and 3:00, and Sunday 13:20
	tried := map[string]bool{"listed": true, "pools": true}
	if len(sites) != 6 {
		t.Fatalf("the page has %d examples, of which 6 are tried", len(sites))
	}
	for _, a := range []struct {
		example int
		more    string // keys of the attempt, beside the usual ones
		want    string // its reason, or the rule by which it is greylisted
	}{
		{0, `"client_name":"mail.example.net"`, "rule:postgrey-clients"},
		{0, `"client_name":"example.net"`, "rule:postgrey-clients"},
		{0, `"client_name":"notexample.net"`, grey},
		{0, `"client_name":"mx17.pool.example"`, "rule:postgrey-clients"},
		{0, `"client_name":"amx17.pool.example"`, grey},
		{0, `"client_address":"192.0.2.70"`, "rule:postgrey-clients"},
		{0, `"client_address":"192.0.2.5"`, grey},
		{0, `"client_name":"a.mine.example"`, "rule:postgrey-clients"},
		{0, `"recipient":"postmaster@example.org"`, "rule:postgrey-recipients"},
		{0, `"recipient":"any@example.info"`, "rule:postgrey-recipients"},
		{0, `"recipient":"hans@example.org"`, "rule:postgrey-recipients"},

		{1, `"recipient":"opted@example.org"`, "rule:opt-out"},
		{1, ``, grey},
		{2, `"recipient":"in@example.org"`, grey},
		{2, ``, "rule:opt-in"},

		{3, `"client_address":"192.0.2.5"`, "rule:network"},
		{3, `"client_name":"a.example.net"`, "rule:by-name"},
		{3, `"client_address":"198.51.100.5","helo_name":"Mail.Example.com"`, "rule:by-helo"},
		{3, `"sender":"Ann@Example.net","spf":"pass"`, "rule:by-sender"},
		{3, `"sender":"ann@example.net","spf":"softfail"`, grey},
		{3, `"recipient":"Abuse@example.org"`, "rule:by-recipient"},
		{3, `"client_tls":true`, "rule:by-certificate"},
		{3, `"sender":"news@example.info","spf":"pass"`, "rule:by-spf"},
		{3, `"sender":"a@spam.example"`, "rule:unwanted"},
		{3, `"sender":"a@spam-example"`, grey},
		{3, `"dnsbl":["bl.example.org"]`, listed},
		{3, "", grey},
		{3, fmt.Sprintf(`"time":%d`, sunday), "rule:outside-office-hours"},
		{3, fmt.Sprintf(`"time":%d`, night), "rule:outside-office-hours"},

		{4, `"dnswl":["list.dnswl.org"]`, "rule:allow-listed"},
		{4, `"client_name":"mail.example.net","spf":"pass"`, "rule:clean"},
		{4, `"client_name":"dsl-203-0-113-7.example.net","spf":"pass"`, grey},
		{4, `"client_name":"mail.example.net","spf":"pass","dnsbl":["bl.example.org"]`, grey},
		{4, `"spf":"pass"`, grey},

		{5, `"sender":"ann+1@example.com","spf":"pass","spf_provider":"google.com"`, `"client":"spf:google.com","sender":"ann@example.com"`},
		{5, `"sender":"ann+1@example.com","spf":"pass","spf_provider":"example.com"`, `"client":"203.0.113.7","sender":"ann+1@example.com"`},
	} {
		line := `{"time":` + fmt.Sprint(workday) + `,"client_address":"203.0.113.7","sender":"joe@example.com","recipient":"bob@example.org"`
		if a.more != "" {
			line += "," + a.more
		}
		r := sites[a.example].replay(line + "}\n")
		if !strings.Contains(r.stdout, a.want) || r.stderr != "" {
			t.Errorf("example %d, %s: %s%s, want %s", a.example, a.more, r.stdout, r.stderr, a.want)
		}
		tried[strings.TrimPrefix(a.want, "rule:")] = true
	}
	for _, name := range regexp.MustCompile(`(?m)^name = "(.*)"$`).FindAllStringSubmatch(string(page), -1) {
		if !tried[name[1]] {
			t.Errorf("no attempt for the rule %q", name[1])
		}
	}
}
