package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"

	"greyglass/cmd/greyglass/internal/show"
)

// loginStep: a failed login is answered after a multiple of this time, so that the time
// does not tell whether there is such a user.
const loginStep = 300 * time.Millisecond

// loginWait is how long a login waits for the comparison of others at most.
const loginWait = 8 * time.Second

// loginPage is what the template of the login shows.
type loginPage struct {
	User, Next, Problem string
}

func (s *Server) showLogin(w http.ResponseWriter, r *http.Request) {
	next := local(r.URL.Query().Get("next"))
	if s.config.UsersFile == "" || s.viewerOf(r).Name != "" {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	s.show(w, r, viewer{}, http.StatusOK, "login", "Log in", loginPage{Next: next})
}

// toLogin sends a browser to the login, and back afterwards.
func (s *Server) toLogin(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		s.show(w, r, viewer{}, http.StatusUnauthorized, "login", "Log in", loginPage{Next: cameFrom(r), Problem: "Your session has ended. Nothing was changed."})
		return
	}
	to := "/login"
	if next := r.URL.RequestURI(); next != "/" {
		to += "?next=" + url.QueryEscape(next)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// cameFrom is the page of ours that has the form that was sent.
func cameFrom(r *http.Request) string {
	u, err := url.Parse(r.Referer())
	if err != nil || u.Host != r.Host {
		return "/"
	}
	return local(u.RequestURI())
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	if s.config.UsersFile == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	if err := r.ParseForm(); err != nil {
		s.fail(w, r, viewer{}, http.StatusBadRequest, "The form cannot be read, or is too large.")
		return
	}
	began := time.Now()
	user, next, from := r.PostForm.Get("user"), local(r.PostForm.Get("next")), s.browserOf(r)
	page := loginPage{User: printable(user), Next: next}
	if len(user) > maxName {
		user = user[:maxName]
	}
	wait, counted := s.logins.begin(user, from, s.now())
	if wait > 0 {
		minutes := int((wait + time.Minute - 1) / time.Minute)
		w.Header().Set("Retry-After", fmt.Sprint(minutes*60))
		page.Problem = fmt.Sprintf("Too many logins have failed. Try again in %s.", show.Duration(int64(60*minutes)))
		s.show(w, r, viewer{}, http.StatusTooManyRequests, "login", "Log in", page)
		return
	}
	tried := comparison{}
	if s.logins.waiting.Add(1) <= maxWaiting {
		tried = s.compare(r, user, r.PostForm.Get("password"))
	}
	s.logins.waiting.Add(-1)
	if !tried.compared {
		s.logins.succeeded(counted) // so that it does not count
		w.Header().Set("Retry-After", "10")
		page.Problem = "Too many logins are waiting. Try again in some seconds."
		s.show(w, r, viewer{}, http.StatusServiceUnavailable, "login", "Log in", page)
		return
	}
	if !tried.ok {
		s.log.Warn(eventLoginFailed, "user", printable(user), "from", from.String())
		pause(r, tried.short+loginStep-(time.Since(began)+tried.short)%loginStep)
		page.Problem = "User or password is wrong."
		s.show(w, r, viewer{}, http.StatusUnauthorized, "login", "Log in", page)
		return
	}
	s.logins.succeeded(counted)
	s.log.Info(eventLogin, "user", user, "from", from.String())
	s.setCookie(w, r, s.signer.begin(user, s.now()), tried.hash)
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// comparison is a login whose password was to be compared.
type comparison struct {
	compared bool // false: others were compared for too long, or the browser went away
	ok       bool
	hash     []byte        // if it is ok
	short    time.Duration // by which a hash of the highest cost takes longer
}

// compare compares a password, one at a time. After a wrong one the next must wait, so that
// guessing takes a quarter of a processor at most.
func (s *Server) compare(r *http.Request, user, password string) (a comparison) {
	timeout := time.NewTimer(loginWait)
	defer timeout.Stop()
	select {
	case s.logins.comparing <- struct{}{}:
	case <-timeout.C:
		return a
	case <-r.Context().Done():
		return a
	}
	began := time.Now()
	hash, known := s.users.hash(user)
	a = comparison{compared: true, ok: bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil && known, hash: hash}
	took, rest := time.Since(began), time.Duration(0)
	if !a.ok {
		cost, _ := bcrypt.Cost(hash)
		most := took << max(0, s.users.cost()-cost) // each step of the cost takes twice the time
		a.short, rest = most-took, 4*most-took
	}
	time.AfterFunc(rest, func() { <-s.logins.comparing })
	return a
}

func pause(r *http.Request, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

// local returns where to go after the login: a page of ours, whatever a link to the login
// says.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(next, "/") ||
		strings.HasPrefix(u.Path, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}

// logout ends the session.
func (s *Server) logout(w http.ResponseWriter, r *http.Request, _ *serving, v viewer) {
	if r.ParseForm() != nil || !same(r.PostForm.Get("token"), v.CSRF) || v.session == nil {
		s.fail(w, r, v, http.StatusForbidden, "The form is not from this page.")
		return
	}
	s.signer.end(*v.session, s.now())
	gone := s.cookie(r)
	gone.MaxAge = -1
	http.SetCookie(w, gone)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}
