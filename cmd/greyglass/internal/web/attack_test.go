package web

import (
	"context"
	"html"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"greyglass/greylist"
)

// TestHeaders: what keeps every answer safe in a browser.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{"/", "/login", "/search?q=x", "/nowhere", "/style.css"} {
		h := s.login(operator).Get(path).Header
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"X-Frame-Options":         "DENY",
			"X-Content-Type-Options":  "nosniff",
			"Referrer-Policy":         "same-origin",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", path, name, h.Get(name), want)
			}
		}
		if path != "/style.css" && h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be kept: %q", path, h.Get("Cache-Control"))
		}
	}
}

// TestCookie: scripts cannot read it, other sites' forms do not carry it, and over TLS it
// never goes without.
func TestCookie(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) { c.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} })
	for _, c := range []struct{ proto, want, lacks string }{
		{"", "greyglass=", "Secure"},
		{"https", "__Host-greyglass=", ""},
	} {
		b := s.browser()
		b.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		if c.proto != "" {
			b.Header.Set("X-Forwarded-Proto", c.proto)
		}
		r := b.Request(http.MethodPost, "/login", url.Values{"user": {operator}, "password": {password}}.Encode())
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		cookie := b.Do(r).Header.Get("Set-Cookie")
		if !strings.HasPrefix(cookie, c.want) || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") ||
			!strings.Contains(cookie, "Path=/") || strings.Contains(cookie, "Domain") ||
			(c.lacks == "") != strings.Contains(cookie, "Secure") {
			t.Errorf("cookie: %s", cookie)
		}
	}
}

// TestForgedRequests: what another site's page can make a browser send changes nothing.
func TestForgedRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.attempt(theClient, ann, bob)
	b := s.login(operator)
	values := url.Values{"client": {theClient}, "sender": {ann}, "recipient": {bob}}
	for _, path := range []string{"/pass", "/forget", "/expect", "/undo", "/logout"} {
		b.Post(path, values).Says(t, http.StatusForbidden)
		b.Post(path, url.Values{"token": {"x"}}).Says(t, http.StatusForbidden)
		b.Get(path).Says(t, http.StatusNotFound)
	}
	token := b.Search(triplet).Form(t, "/pass").Get("token")
	values.Set("token", token)
	for _, header := range [][2]string{{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Referer", "http://evil.example/"}} {
		r := b.Request(http.MethodPost, "/pass", values.Encode())
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(header[0], header[1])
		b.Do(r).Says(t, http.StatusForbidden)
	}
	// A token of another user, or of another session, is none.
	if other := s.login(operator).Search(triplet).Form(t, "/pass").Get("token"); other == token {
		t.Error("two sessions have one token")
	}
	e, err := s.store.Get(t.Context(), greylist.Triplet{Client: theClient, Sender: ann, Recipient: bob})
	if err != nil || e == nil || e.Passed() {
		t.Errorf("stored: %+v, %v", e, err)
	}
	b.Post("/pass", values).Says(t, http.StatusOK, "Let in")
}

// TestHost: a name that somebody else points here is not answered.
func TestHost(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) { c.Names = []string{"mail.example.org"} })
	for host, status := range map[string]int{
		"evil.example": http.StatusMisdirectedRequest, "127.0.0.1.evil.example": http.StatusMisdirectedRequest,
		"mail.example.org": http.StatusOK, "MAIL.example.org:8898": http.StatusOK, "localhost": http.StatusOK, s.at: http.StatusOK,
	} {
		b := s.browser()
		b.Host = host
		if p := b.Get("/login"); p.Status != status {
			t.Errorf("%s: %d, want %d", host, p.Status, status)
		}
	}
}

// TestLooker: who may only look gets no buttons, and cannot act without them.
func TestLooker(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.attempt(theClient, ann, bob)
	b := s.login(looker)
	p := b.Search(triplet)
	p.Says(t, http.StatusOK, "lars (read only)", "has not tried again yet")
	p.Lacks(t, `action="/pass"`, `action="/forget"`, `action="/expect"`)
	token := p.Form(t, "/logout").Get("token")
	for _, path := range []string{"/pass", "/forget", "/expect", "/undo"} {
		b.Post(path, url.Values{"token": {token}, "client": {theClient}, "sender": {ann}, "recipient": {bob}, "minutes": {"30"}}).
			Says(t, http.StatusForbidden, "You may look, but not change anything")
	}
	e, err := s.store.Get(t.Context(), greylist.Triplet{Client: theClient, Sender: ann, Recipient: bob})
	if err != nil || e == nil || e.Passed() {
		t.Errorf("stored: %+v, %v", e, err)
	}
}

// TestWithoutUsers: only numbers, no addresses, no actions.
func TestWithoutUsers(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) { c.UsersFile = "" })
	s.attempt(theClient, "news@shop.example", bob)
	s.server.daemon.Load().overview.count(t.Context())
	b := s.browser()
	p := b.Get("/")
	p.Says(t, http.StatusOK, "Database works", "Recipients judged")
	p.Lacks(t, "shop.example", bob, theClient, "<form")
	b.Search(bob).Says(t, http.StatusForbidden, "only numbers")
	for _, path := range []string{"/pass", "/forget", "/expect", "/undo", "/logout"} {
		b.Post(path, url.Values{"token": {s.server.signer.sign("form", "")}}).Says(t, http.StatusForbidden)
	}
	if p := b.Get("/login"); p.Path != "/" {
		t.Errorf("the login leads to %s", p.Path)
	}
}

// TestSessions: a session ends by time, by logging out, and by a change of the users' file.
func TestSessions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	file := s.server.config.UsersFile
	in := func(b *browser) bool { return b.Search("x").Path != "/login?next="+url.QueryEscape("/search?q=x") }

	idle := s.login(operator)
	s.advance(idleSession + time.Second)
	if in(idle) {
		t.Error("a session that was not used did not end")
	}
	p := idle.Post("/pass", url.Values{})
	p.Says(t, http.StatusUnauthorized, "Your session has ended. Nothing was changed.")
	for _, c := range []struct{ referer, next string }{
		{"http://" + s.at + "/search?q=ann", "/search?q=ann"}, {"http://hostile.test/search?q=ann", "/"}, {"http://" + s.at + "//hostile.test/", "/"}, {"%", "/"}, {"", "/"},
	} {
		idle.Header.Set("Referer", c.referer)
		p := idle.Post("/pass", url.Values{})
		if want := `name="next" value="` + html.EscapeString(c.next) + `"`; !strings.Contains(p.HTML, want) {
			t.Errorf("from %q the login does not lead to %s: %s", c.referer, c.next, p.HTML)
		}
	}

	used := s.login(operator)
	for range 12 {
		s.advance(50 * time.Minute)
		if !in(used) {
			t.Fatal("a session in use has ended")
		}
	}
	s.advance(50 * time.Minute)
	s.advance(50 * time.Minute)
	s.advance(50 * time.Minute)
	if in(used) {
		t.Error("a session lasts for ever")
	}

	out := s.login(operator)
	target, _ := url.Parse("http://" + s.at)
	stolen := out.Client.Jar.Cookies(target)
	out.Press(out.Get("/"), "/logout")
	if in(out) {
		t.Error("still logged in")
	}
	thief := s.browser()
	thief.Client.Jar.SetCookies(target, stolen)
	if in(thief) {
		t.Error("a cookie still counts after logging out")
	}

	kept, revoked := s.login(looker), s.login(operator)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, lars, _ := strings.Cut(string(text), "\n")
	write(t, file, lars)
	if in(revoked) {
		t.Error("a user who was removed is still logged in")
	}
	if !in(kept) {
		t.Error("the other user was logged out")
	}
	write(t, file, "no users file\n")
	if in(kept) {
		t.Error("a file that cannot be read lets users in")
	}
	write(t, file, string(text))
	if !in(kept) || !strings.Contains(s.log.String(), eventUsersFailed) || !strings.Contains(s.log.String(), eventUsersRecovered) {
		t.Errorf("the file can be read again; logged: %s", s.log)
	}
	forged := s.browser()
	for _, value := range []string{"", ".", "a.b.c.d.e", "b2xnYQ.x.1.1.", strings.Replace(kept.Client.Jar.Cookies(target)[0].Value, "bGFycw", "b2xnYQ", 1)} {
		forged.Client.Jar.SetCookies(target, []*http.Cookie{{Name: cookieName, Value: value, Path: "/"}})
		if in(forged) {
			t.Errorf("the cookie %q counts", value)
		}
	}
}

// TestThrottle: passwords cannot be guessed quickly, and a right one does not help meanwhile.
func TestThrottle(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser()
	try := func(user, password string) page {
		return b.Post("/login", url.Values{"user": {user}, "password": {password}})
	}
	for range failuresOfAddress - 1 {
		try(operator, "wrong").Says(t, http.StatusUnauthorized, "User or password is wrong.")
	}
	try("nobody", "wrong").Says(t, http.StatusUnauthorized, "User or password is wrong.")
	p := try(operator, password)
	p.Says(t, http.StatusTooManyRequests, "Try again in 5m.")
	if p.Header.Get("Retry-After") != "300" {
		t.Errorf("Retry-After: %q", p.Header.Get("Retry-After"))
	}
	s.advance(loginWindow)
	try(operator, password).Says(t, http.StatusOK, "Log out")
	if log := s.log.String(); !strings.Contains(log, `msg="web login failed" user=nobody from=127.0.0.1`) || strings.Contains(log, "wrong") || strings.Contains(log, password) {
		t.Errorf("logged: %s", log)
	}
}

// TestThrottleOfManyAddresses: a user is not guessed from everywhere, and memory is bounded.
func TestThrottleOfManyAddresses(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	th := newThrottle()
	waits := func(user string, at netip.Addr, now time.Time) time.Duration {
		wait, _ := th.begin(user, at, now)
		return wait
	}
	refused := 0
	for i := range 100 {
		if waits(operator, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), now) > 0 {
			refused++
		}
	}
	if refused != 100-failuresOfUser {
		t.Errorf("%d of 100 were refused", refused)
	}
	network := 0
	for i := range 20 {
		at := netip.MustParseAddr("2001:db8::1").As16()
		at[15] = byte(i)
		if waits("user"+string(rune('a'+i)), netip.AddrFrom16(at), now) > 0 {
			network++
		}
	}
	if network != 20-failuresOfAddress {
		t.Errorf("of one network, %d of 20 were refused", network)
	}
	for i := range 2 * maxThrottled {
		th.begin("x", netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now.Add(time.Duration(i)*time.Microsecond))
		th.begin(string(rune('a'+i%26))+string(rune(i)), netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), now)
	}
	if n := len(th.failures); n > 2*maxThrottled+2 {
		t.Errorf("%d failures are remembered", n)
	}
	if waits("new", netip.MustParseAddr("198.51.100.1"), now) > 0 {
		t.Error("while the table is full, an address of another network is refused")
	}
	guessed := 0
	for i := range 200 {
		if waits("guessed", netip.AddrFrom4([4]byte{100, byte(i), 0, 1}), now) == 0 {
			guessed++
		}
	}
	if guessed > failuresOfUser {
		t.Errorf("while the table is full, a user is guessed %d times from many networks", guessed)
	}
	if waits("late", netip.MustParseAddr("11.0.200.1"), now) == 0 {
		t.Error("while the table is full, a network that fails goes on")
	}
	if waits("late", netip.MustParseAddr("192.0.2.200"), now.Add(2*loginWindow)) > 0 {
		t.Error("it is not over")
	}
}

// TestEqualTime: the password of an unknown user is compared, too, with a hash of the same
// cost.
func TestEqualTime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	known, ok := s.server.users.hash(operator)
	if !ok {
		t.Fatal("no user")
	}
	dummy, ok := s.server.users.hash("nobody")
	if ok || len(dummy) != len(known) || string(dummy[:7]) != string(known[:7]) {
		t.Errorf("an unknown user is compared with %q, a known one with %q", dummy, known)
	}
	b := s.browser()
	for _, user := range []string{operator, "nobody", ""} {
		began := time.Now()
		b.Post("/login", url.Values{"user": {user}, "password": {"wrong"}})
		if took := time.Since(began); took < loginStep {
			t.Errorf("%s: answered after %v", user, took)
		}
	}
}

// TestUnequalCosts: a hash of a low cost is answered as late as one of the highest cost.
func TestUnequalCosts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	high, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost+3)
	if err != nil {
		t.Fatal(err)
	}
	low, _ := s.server.users.hash(operator)
	write(t, s.server.config.UsersFile, operator+":"+string(low)+"\n"+looker+":"+string(high)+"\n")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/login", nil)
	for user, longer := range map[string]bool{operator: true, looker: false, "nobody": false} {
		if c := s.server.compare(r, user, "wrong"); !c.compared || c.ok || (c.short > 0) != longer {
			t.Errorf("%s: %+v", user, c)
		}
	}
	if c := s.server.compare(r, operator, password); !c.ok || c.short != 0 {
		t.Errorf("%+v", c)
	}
}

// TestBrowserGone: a login whose password was not compared does not count as failed.
func TestBrowserGone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.server.logins.comparing <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range failuresOfAddress + 1 {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/login", strings.NewReader(url.Values{"user": {operator}, "password": {password}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		s.server.login(w, r)
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("status %d", w.Code)
		}
	}
	if log := s.log.String(); strings.Contains(log, eventLoginFailed) || len(s.server.logins.failures) != 0 {
		t.Errorf("%v failed; logged: %s", s.server.logins.failures, log)
	}
}

// TestBehindProxies: clear text between a browser and the proxy is refused, and the address of
// the browser is that before all proxies.
func TestBehindProxies(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *Config) {
		c.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8")}
		c.Names = []string{"greylist.example.org"}
	})
	for _, c := range []struct {
		peer, host, proto string
		ok                bool
	}{
		{"127.0.0.1:1", "127.0.0.1:8898", "", true}, {"127.0.0.1:1", "localhost", "", true}, {"127.0.0.1:1", "[::1]:8898", "", true},
		{"127.0.0.1:1", "mx.example.org", "", false},       // the machine's own name, by such a proxy
		{"127.0.0.1:1", "Greylist.example.org", "", false}, // a proxy that sets neither field
		{"127.0.0.1:1", "greylist.example.org", "https", true},
		{"10.0.0.1:1", "10.0.0.2:8898", "", false},
		{"10.0.0.1:1", "greylist.example.org", "https", true},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr, r.Host = c.peer, c.host
		if c.proto != "" {
			r.Header.Set("X-Forwarded-Proto", c.proto)
		}
		if got := s.server.privateBefore(r); got != c.ok {
			t.Errorf("from %s for %s by %q, without X-Forwarded-For: %v", c.peer, c.host, c.proto, got)
		}
	}
	for _, c := range []struct {
		browser, proto string
		status         int
	}{
		{"", "", http.StatusOK}, {"203.0.113.9", "https", http.StatusOK}, {"127.0.0.1", "", http.StatusOK},
		{"203.0.113.9", "", http.StatusForbidden}, {"203.0.113.9", "http", http.StatusForbidden}, {"127.0.0.1, 203.0.113.9", "", http.StatusForbidden},
	} {
		b := s.browser()
		if c.browser != "" {
			b.Header.Set("X-Forwarded-For", c.browser)
		}
		if c.proto != "" {
			b.Header.Set("X-Forwarded-Proto", c.proto)
		}
		p := b.Get("/login")
		p.Says(t, c.status)
		if p.Header.Get("Strict-Transport-Security") != "" {
			t.Error("the page speaks for all services of the host")
		}
		if c.status == http.StatusForbidden {
			p.Says(t, c.status, "the reverse proxy must then set X-Forwarded-Proto to https")
		}
	}
	for _, c := range []struct {
		peer, want string
		forwarded  []string
	}{
		{"127.0.0.1:1", "127.0.0.1", nil},
		{"127.0.0.1:1", "203.0.113.9", []string{"203.0.113.9"}},
		{"127.0.0.1:1", "203.0.113.9", []string{"192.0.2.1, 203.0.113.9, 10.0.0.1"}},
		{"127.0.0.1:1", "203.0.113.9", []string{"192.0.2.1", "203.0.113.9:4711", "10.0.0.1"}},
		{"127.0.0.1:1", "10.0.0.2", []string{"10.0.0.2,10.0.0.1"}},
		{"127.0.0.1:1", "10.0.0.1", []string{"192.0.2.1, nonsense, 10.0.0.1"}},
		{"203.0.113.9:1", "203.0.113.9", []string{"192.0.2.1"}},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = c.peer, c.forwarded
		if got := s.server.browserOf(r).String(); got != c.want {
			t.Errorf("%s for %q: %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
}

// TestTrustHeader: only a proxy says who somebody is.
func TestTrustHeader(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		proxies string
		values  []string
		who     string
	}{
		{"127.0.0.0/8", []string{operator}, operator},
		{"127.0.0.0/8", []string{looker}, looker},
		{"127.0.0.0/8", nil, ""},
		{"127.0.0.0/8", []string{""}, ""},
		{"127.0.0.0/8", []string{operator, looker}, ""}, // the proxy has added one to the browser's
		{"127.0.0.0/8", []string{"ol\u202ega"}, ""},
		{"192.0.2.0/24", []string{operator}, ""},
	} {
		s := newSite(t, func(conf *Config) {
			conf.UsersFile, conf.TrustHeader, conf.Proxies = "", "X-Remote-User", []netip.Prefix{netip.MustParsePrefix(c.proxies)}
		})
		b := s.browser()
		if c.values != nil {
			b.Header["X-Remote-User"] = c.values
		}
		p := b.Search(triplet)
		if c.who == "" {
			p.Says(t, http.StatusForbidden, "does not say who you are")
			b.Get("/").Says(t, http.StatusForbidden)
			continue
		}
		p.Says(t, http.StatusOK, c.who, "No triplet is stored")
		if c.who == operator {
			b.Press(p, "/pass").Says(t, http.StatusOK, "Let in")
		}
	}
}

// TestOpenRedirect: the login leads to pages of ours alone.
func TestOpenRedirect(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"/search?q=a%40b": "/search?q=a%40b", "": "/", "/": "/",
		"//evil.example": "/", "https://evil.example/": "/", `/\evil.example`: "/", "/%2fevil.example": "/", "javascript:alert(1)": "/", "\t//evil.example": "/",
		"/\t/evil.example": "/", "search": "/",
	} {
		if got := local(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

// TestBounds: a request that is too large is refused.
func TestBounds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.login(operator)
	b.Post("/pass", url.Values{"token": {strings.Repeat("x", maxBody)}}).Says(t, http.StatusBadRequest)
	b.Search(strings.Repeat("x", maxQuery+1)).Says(t, http.StatusUnprocessableEntity, "too long")
	r := b.Request(http.MethodGet, "/", "")
	r.Header.Set("X-Long", strings.Repeat("x", 2*maxHeader))
	if p := b.Do(r); p.Status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", p.Status)
	}
	for _, method := range []string{"PUT", "DELETE", "OPTIONS", "TRACE"} {
		b.Do(b.Request(method, "/", "")).Says(t, http.StatusMethodNotAllowed)
	}
	b.Do(b.Request(http.MethodGet, "/", "a body")).Says(t, http.StatusRequestEntityTooLarge)
}

// TestManyLogins: few logins wait for the comparison of their passwords.
func TestManyLogins(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.server.logins.waiting.Store(maxWaiting)
	b := s.browser()
	b.Post("/login", url.Values{"user": {operator}, "password": {password}}).Says(t, http.StatusServiceUnavailable, "Too many logins are waiting.")
	s.server.logins.waiting.Store(0)
	s.login(operator)
}
