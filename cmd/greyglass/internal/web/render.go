package web

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"time"

	"github.com/dustin/go-humanize"

	"greyglass/cmd/greyglass/internal/show"
)

//go:embed pages
var files embed.FS

// templates are the pages. Each is the layout with a body of its own. html/template escapes
// what is shown by where it stands.
var templates = func() map[string]*template.Template {
	layout := template.Must(template.New("").Funcs(template.FuncMap{
		"printable": printable, "count": humanize.Comma, "why": why, "query": queryOf, "lasts": show.Duration, "time": moment,
		"count64": func(n int) string { return humanize.Comma(int64(n)) },
		"minutes": func(n int64) string { return show.Duration(60 * n) },
	}).ParseFS(files, "pages/layout.html", "pages/parts.html"))
	pages := make(map[string]*template.Template)
	for _, name := range []string{"overview", "search", "login", "problem"} {
		pages[name] = template.Must(template.Must(layout.Clone()).ParseFS(files, "pages/"+name+".html"))
	}
	return pages
}()

// shownPage is what the layout shows.
type shownPage struct {
	Title  string
	Viewer viewer
	Login  bool // it is possible to log in
	Users  bool // the page is for users
	Query  string
	Zone   string
	Body   any
}

// moment is a time for people, with the date.
func moment(unix int64) string { return time.Unix(unix, 0).Format("2006-01-02 15:04:05") }

// show writes a page.
func (s *Server) show(w http.ResponseWriter, r *http.Request, v viewer, status int, name, title string, body any) {
	zone, _ := s.now().Zone()
	page := shownPage{Title: title, Viewer: v, Login: s.config.UsersFile != "", Users: s.needsUser(), Query: r.URL.Query().Get("q"), Zone: zone, Body: body}
	var text bytes.Buffer
	if err := templates[name].ExecuteTemplate(&text, "layout", page); err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes())
}

// fail says what went wrong.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, v viewer, status int, problem string) {
	title := "This was not done"
	switch status {
	case http.StatusForbidden:
		title = "Not allowed"
	case http.StatusNotFound:
		title = "Not found"
	case http.StatusServiceUnavailable:
		title = "Not possible now"
	}
	s.show(w, r, v, status, "problem", title, problem)
}

// routes are the pages and actions.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.showOverview)
	mux.HandleFunc("GET /search", s.forUsers(s.search))
	mux.HandleFunc("GET /login", s.showLogin)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("POST /logout", s.forUsers(s.logout))
	mux.HandleFunc("POST /pass", s.action(pass))
	mux.HandleFunc("POST /forget", s.action(forget))
	mux.HandleFunc("POST /expect", s.action(expect))
	mux.HandleFunc("POST /undo", s.forOperators(s.undo))
	mux.HandleFunc("GET /style.css", file("style.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /icon.svg", file("icon.svg", "image/svg+xml"))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, s.viewerOf(r), http.StatusNotFound, "There is no such page.")
	})
	return mux
}

// file serves an embedded file.
func file(name, contentType string) http.HandlerFunc {
	text, err := files.ReadFile("pages/" + name)
	if err != nil {
		panic(err)
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(text)
	}
}
