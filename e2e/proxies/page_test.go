package proxies

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"greyglass/e2e/lab"
	"greyglass/greylist"
)

const (
	ours   = "https://" + pageName
	search = "/search?q=ann@example.net"
)

// unchanged is the example as it is shipped.
func unchanged(example string) string { return example }

// TestUsersBehindProxy: by the example as it is shipped, users log in at the page, which
// knows that the browser speaks TLS, and where it is.
func TestUsersBehindProxy(t *testing.T) {
	lab.Require(t)
	for _, p := range proxies {
		t.Run(string(p.name), func(t *testing.T) {
			d := startDaemon(t, p.page(t)+"users_file = \"DIR/users\"\n")
			p.start(t, unchanged)
			b := newBrowser(t)
			b.header.Set("X-Forwarded-For", "192.0.2.66") // a browser's word, which must not count
			b.header.Set("X-Forwarded-Proto", "http")
			b.get(search).says(t, http.StatusOK, `action="/login"`)
			login := url.Values{"user": {operator}, "password": {password}, "next": {search}}
			b.post("/login", "https://evil.example", login).says(t, http.StatusForbidden)
			b.post("/login", ours, login).says(t, http.StatusOK, "Nothing is remembered of this.", "Log out")
			d.logs(`msg="web login"`, "user="+operator, "from="+browserAt)
			var names []string
			for _, cookie := range b.client.Jar.Cookies(&url.URL{Scheme: "https", Host: pageName, Path: "/"}) {
				names = append(names, cookie.Name)
			}
			if len(names) != 1 || names[0] != "__Host-greyglass" {
				t.Errorf("cookies: %v", names)
			}
			b.host = "evil.example"
			if other := b.get("/login"); other.isOurs() {
				t.Errorf("the page answers as %s: %d\n%s", b.host, other.status, other.text)
			}
		})
	}
}

// TestProxyAuthenticates: with web.trust_header the proxy asks for the password, and says to
// the page who somebody is. A browser cannot.
func TestProxyAuthenticates(t *testing.T) {
	lab.Require(t)
	for _, p := range proxies {
		t.Run(string(p.name), func(t *testing.T) {
			d := startDaemon(t, p.page(t)+"trust_header = \"X-Remote-User\"\n")
			if v := d.attempt(); v != greylist.Defer {
				t.Fatalf("answered %s", v)
			}
			forged := newBrowser(t)
			for _, name := range []string{"X-Remote-User", "x-remote-user", "X_Remote_User"} {
				forged.header[name] = []string{operator}
			}
			forged.header.Set("X-Forwarded-For", "192.0.2.66")

			// The example without its lines for a password trusts nobody.
			stop := p.start(t, unchanged)
			forged.get(search).says(t, http.StatusForbidden, "The reverse proxy does not say who you are.")
			forged.user, forged.pass = operator, "any"
			forged.get(search).says(t, http.StatusForbidden, "The reverse proxy does not say who you are.")
			stop()

			p.start(t, trusting)
			forged.client.CloseIdleConnections()
			for user, pass := range map[string]string{"": "", operator: "wrong", "nobody": password} {
				forged.user, forged.pass = user, pass
				if got := forged.get(search); got.status != http.StatusUnauthorized || got.isOurs() {
					t.Errorf("%q with the password %q: %d\n%s", user, pass, got.status, got.text)
				}
			}
			forged.user, forged.pass = looker, password
			seen := forged.get(search)
			seen.says(t, http.StatusOK, looker+" (may look)", "ann@example.net wrote to bob@example.org")
			if strings.Contains(seen.text, operator) || strings.Contains(seen.text, `action="/pass"`) {
				t.Errorf("the browser has said who it is:\n%s", seen.text)
			}

			forged.user = operator
			form := forged.get(search).fields(t, "/pass")
			forged.post("/pass", "https://evil.example", form).says(t, http.StatusForbidden)
			if v := d.attempt(); v != greylist.Defer {
				t.Errorf("answered %s", v)
			}
			forged.post("/pass", ours, form).says(t, http.StatusOK, "Let in: mail from ann@example.net to bob@example.org.")
			d.logs("msg=admin", "user="+operator, "from="+browserAt, `command="pass 203.0.113.7 ann@example.net bob@example.org"`)
			if v := d.attempt(); v != greylist.Accept {
				t.Errorf("answered %s", v)
			}
		})
	}
}
