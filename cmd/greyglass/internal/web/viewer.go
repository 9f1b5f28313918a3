package web

import (
	"net/http"
	"slices"

	"greyglass/greylist/address"
)

// maxName bounds the name of a user, in octets.
const maxName = 100

// viewer is who asks.
type viewer struct {
	Name string // empty: it is not known who it is
	Acts bool   // may let mail in, forget and expect
	CSRF string // the token that its forms have

	session *session // nil: authenticated by the reverse proxy
}

// needsUser reports whether the page is only for users. Else it shows only numbers.
func (s *Server) needsUser() bool { return s.config.UsersFile != "" || s.config.TrustHeader != "" }

// viewerOf returns who asks.
func (s *Server) viewerOf(r *http.Request) (v viewer) {
	switch {
	case s.config.TrustHeader != "":
		v.Name = s.fromProxy(r, s.config.TrustHeader)
		if v.Name != printable(v.Name) || len(v.Name) > maxName {
			return viewer{}
		}
		v.CSRF = s.signer.sign("form", v.Name)
	case s.config.UsersFile != "":
		session, ok := s.sessionOf(r)
		if !ok {
			return viewer{}
		}
		v = viewer{Name: session.user, session: &session, CSRF: s.signer.sign("form", session.user, session.id)}
	}
	v.Acts = v.Name != "" && slices.Contains(s.config.Operators, v.Name)
	return v
}

// forUsers is a page for users. Others are sent to the login. A session that is in use lasts
// longer.
func (s *Server) forUsers(page func(http.ResponseWriter, *http.Request, *serving, viewer)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := s.viewerOf(r)
		switch d := s.daemon.Load(); {
		case d == nil:
			s.fail(w, r, v, http.StatusServiceUnavailable, "The daemon is starting. Try again in a moment.")
		case v.Name != "":
			s.prolong(w, r, v)
			page(w, r, d, v)
		case s.config.UsersFile != "":
			s.toLogin(w, r)
		case s.config.TrustHeader != "":
			s.fail(w, r, v, http.StatusForbidden, "The reverse proxy does not say who you are.")
		default:
			s.fail(w, r, v, http.StatusForbidden, "Without users, this page shows only numbers. The administrator can set web.users_file or web.trust_header.")
		}
	}
}

// forOperators is an action.
func (s *Server) forOperators(act func(http.ResponseWriter, *http.Request, *serving, viewer)) http.HandlerFunc {
	return s.forUsers(func(w http.ResponseWriter, r *http.Request, d *serving, v viewer) {
		switch {
		case r.ParseForm() != nil:
			s.fail(w, r, v, http.StatusBadRequest, "The form cannot be read, or is too large.")
		case !same(r.PostForm.Get("token"), v.CSRF):
			s.fail(w, r, v, http.StatusForbidden, "The form is not from this page, or is older than your login. Go back, reload, and try again.")
		case !v.Acts:
			s.fail(w, r, v, http.StatusForbidden, "You may look, but not change anything: web.operators does not name you.")
		default:
			act(w, r, d, v)
		}
	})
}

// prolong replaces a cookie that was used a while ago.
func (s *Server) prolong(w http.ResponseWriter, r *http.Request, v viewer) {
	now := s.now()
	if v.session == nil || now.Unix()-v.session.now < int64(renewSession.Seconds()) {
		return
	}
	if hash, ok := s.users.hash(v.Name); ok {
		renewed := *v.session
		renewed.now = now.Unix()
		s.setCookie(w, r, renewed, hash)
	}
}

// printable makes text harmless in a log and on a page: what changes how the text around it
// looks, is written as \x...
func printable(s string) string { return address.Printable(s) }
