package web

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// hostile are addresses that try to be something else on a page, or in a log.
var hostile = []string{
	`<script>alert(1)</script>@evil.example`,
	`"><img/src=x/onerror=alert(1)>@evil.example`,
	`"a\"b c"@evil.example`,
	"ann\u202e@evil.example",
	"ann\u2066x\u2069@evil.example",
	"ann\x1b[31m\x07\r\nx@evil.example",
	"ann\x00\xff\xfe@evil.example",
	"'onmouseover='alert(1)@evil.example",
	"{{.Viewer.CSRF}}@evil.example",
	"javascript:alert(1)@evil.example",
	"ann\u0430\u200b@evil.example",
	strings.Repeat("a", 300) + "@evil.example",
}

// tags are all that the pages have. What an address adds is none.
var tags = regexp.MustCompile(`<[^>]*>`)

// TestHostileAddresses: they are shown, and do nothing, wherever they stand.
func TestHostileAddresses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, a := range hostile {
		s.attempt(theClient, a, bob)
		s.attempt(theClient, ann, a)
	}
	s.server.daemon.Load().overview.count(t.Context())
	b := s.login(operator)
	pages := []page{b.Get("/"), b.Search("evil.example"), b.Search(theClient)}
	for _, a := range hostile {
		pages = append(pages, b.Search(a), b.Search(theClient+" "+a+" "+bob), b.Get("/search?q=%ff%00%1b"+`%3Cscript%3E`),
			b.Post("/login", map[string][]string{"user": {a}, "password": {"x"}, "next": {a}}))
	}
	found := b.Search("evil.example")
	pages = append(pages, b.Press(found, "/pass"), b.Press(found, "/forget"))
	for _, p := range pages {
		if p.Status == http.StatusInternalServerError {
			t.Errorf("failed: %s", p.Text)
		}
		if strings.ContainsAny(html.UnescapeString(p.HTML), "\u202e\u2066\u200b\x00\x07\x1b\x7f") {
			t.Errorf("%s: has characters that change the text around them:\n%q", p.Path, p.HTML)
		}
		for _, tag := range tags.FindAllString(p.HTML, -1) {
			name := strings.Trim(strings.Fields(tag)[0], "</>")
			switch name {
			case "script", "img":
				t.Errorf("%s: has %s", p.Path, tag)
			}
			if strings.Contains(tag, " on") && regexp.MustCompile(`\son\w+=`).MatchString(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(tag, "")) {
				t.Errorf("%s: has %s", p.Path, tag)
			}
		}
	}
	for line := range strings.Lines(s.log.String()) {
		if strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\u202e\x1b\x00\r") {
			t.Errorf("logged: %q", line)
		}
	}
}
