package proxies

import (
	"net/http"
	"net/url"
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
			b.Header.Set("X-Forwarded-For", "192.0.2.66") // a browser's word, which must not count
			b.Header.Set("X-Forwarded-Proto", "http")
			b.Get(search).Says(t, http.StatusOK, "Password")
			login := url.Values{"user": {operator}, "password": {password}, "next": {search}}
			b.Origin = "https://evil.example"
			b.Post("/login", login).Says(t, http.StatusForbidden)
			b.Origin = ours
			b.Post("/login", login).Says(t, http.StatusOK, "No triplet is stored for this.", "Log out")
			d.logs(`msg="web login"`, "user="+operator, "from="+browserAt)
			var names []string
			for _, cookie := range b.Client.Jar.Cookies(&url.URL{Scheme: "https", Host: pageName, Path: "/"}) {
				names = append(names, cookie.Name)
			}
			if len(names) != 1 || names[0] != "__Host-greyglass" {
				t.Errorf("cookies: %v", names)
			}
			b.Host = "evil.example"
			if other := b.Get("/login"); isOurs(other) {
				t.Errorf("the page answers as %s: %d\n%s", b.Host, other.Status, other.Text)
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
				forged.Header[name] = []string{operator}
			}
			forged.Header.Set("X-Forwarded-For", "192.0.2.66")

			// The example without its lines for a password trusts nobody.
			stop := p.start(t, unchanged)
			forged.Get(search).Says(t, http.StatusForbidden, "The reverse proxy does not say who you are.")
			authenticate(forged, operator, "any")
			forged.Get(search).Says(t, http.StatusForbidden, "The reverse proxy does not say who you are.")
			stop()

			p.start(t, trusting)
			forged.Client.CloseIdleConnections()
			for user, pass := range map[string]string{"": "", operator: "wrong", "nobody": password} {
				authenticate(forged, user, pass)
				if got := forged.Get(search); got.Status != http.StatusUnauthorized || isOurs(got) {
					t.Errorf("%q with the password %q: %d\n%s", user, pass, got.Status, got.Text)
				}
			}
			authenticate(forged, looker, password)
			seen := forged.Get(search)
			seen.Says(t, http.StatusOK, looker+" (read only)", "ann@example.net wrote to bob@example.org")
			seen.Lacks(t, operator, `action="/pass"`) // so the browser has not said who it is

			authenticate(forged, operator, password)
			page := forged.Get(search)
			forged.Origin = "https://evil.example"
			forged.Press(page, "/pass").Says(t, http.StatusForbidden)
			if v := d.attempt(); v != greylist.Defer {
				t.Errorf("answered %s", v)
			}
			forged.Origin = ours
			forged.Press(page, "/pass").Says(t, http.StatusOK, "Let in: mail from ann@example.net to bob@example.org.")
			d.logs("msg=admin", "user="+operator, "from="+browserAt, `command="pass 203.0.113.7 ann@example.net bob@example.org"`)
			if v := d.attempt(); v != greylist.Accept {
				t.Errorf("answered %s", v)
			}
		})
	}
}
