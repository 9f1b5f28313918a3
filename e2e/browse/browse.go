// Package browse reads the web page as a browser without JavaScript does, for tests.
package browse

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// Browser keeps cookies, and follows redirects.
type Browser struct {
	URL    string // of the page, without a slash at the end
	Client *http.Client
	Header http.Header // added to each request
	Host   string      // that is asked for
	Origin string      // of the page whose forms are sent; empty: the host's

	t testing.TB
}

// New is a browser for the page at a URL.
func New(t testing.TB, at string) *Browser {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Browser{URL: at, Client: &http.Client{Jar: jar}, Header: http.Header{}, Host: u.Host, t: t}
}

// Request is a request for a path, for [Browser.Do].
func (b *Browser) Request(method, path, body string) *http.Request {
	b.t.Helper()
	r, err := http.NewRequest(method, b.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// Do sends a request, and reads the page that it leads to.
func (b *Browser) Do(r *http.Request) Page {
	b.t.Helper()
	r.Host = b.Host
	for name, values := range b.Header {
		r.Header[name] = values
	}
	answer, err := b.Client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return Page{answer.StatusCode, answer.Header, answer.Request.URL.RequestURI(), string(text), textOf(string(text))}
}

// Get opens a page.
func (b *Browser) Get(path string) Page {
	b.t.Helper()
	return b.Do(b.Request(http.MethodGet, path, ""))
}

// Search searches for words.
func (b *Browser) Search(words string) Page {
	b.t.Helper()
	return b.Get("/search?" + url.Values{"q": {words}}.Encode())
}

// Post sends a form.
func (b *Browser) Post(path string, form url.Values) Page {
	b.t.Helper()
	r := b.Request(http.MethodPost, path, form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	origin := b.Origin
	if origin == "" {
		scheme, _, _ := strings.Cut(b.URL, "://")
		origin = scheme + "://" + b.Host
	}
	r.Header.Set("Origin", origin)
	return b.Do(r)
}

// Login logs in.
func (b *Browser) Login(user, password string) Page {
	b.t.Helper()
	return b.Post("/login", url.Values{"user": {user}, "password": {password}})
}

// Press sends the first form of a page that goes to a path, with more values.
func (b *Browser) Press(p Page, path string, more ...string) Page {
	b.t.Helper()
	values := p.Form(b.t, path)
	for i := 0; i < len(more); i += 2 {
		values.Set(more[i], more[i+1])
	}
	return b.Post(path, values)
}

// Page is an answer.
type Page struct {
	Status int
	Header http.Header
	Path   string // where it led to
	HTML   string
	Text   string // without tags
}

var tag = regexp.MustCompile(`(?s)<[^>]*>`)

// textOf is what a page shows, with one space between words.
func textOf(page string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tag.ReplaceAllString(page, ""))), " ")
}

var form = regexp.MustCompile(`(?s)<form action="([^"]*)" method="post"[^>]*>(.*?)</form>`)
var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// Form is what the first form that goes to a path has filled in and does not show.
func (p Page) Form(t testing.TB, path string) url.Values {
	t.Helper()
	for _, f := range form.FindAllStringSubmatch(p.HTML, -1) {
		if f[1] != path {
			continue
		}
		values := url.Values{}
		for _, h := range hidden.FindAllStringSubmatch(f[2], -1) {
			values.Set(h[1], html.UnescapeString(h[2]))
		}
		return values
	}
	t.Fatalf("no form for %s in\n%s", path, p.HTML)
	return nil
}

// Says fails the test unless the page has the status, and shows the texts.
func (p Page) Says(t testing.TB, status int, texts ...string) {
	t.Helper()
	if p.Status != status {
		t.Errorf("status %d, want %d: %s", p.Status, status, p.Text)
	}
	for _, text := range texts {
		if !strings.Contains(p.Text, text) {
			t.Errorf("the page does not say %q: %s", text, p.Text)
		}
	}
}

// Lacks fails the test if the page has one of the texts, also where it does not show them.
func (p Page) Lacks(t testing.TB, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(p.HTML, text) {
			t.Errorf("the page says %q: %s", text, p.Text)
		}
	}
}
