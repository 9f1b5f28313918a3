package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// A session ends when it was not used for idleSession, and longestSession after the
	// login at the latest.
	idleSession    = time.Hour
	longestSession = 12 * time.Hour

	// renewSession is how old a cookie must be to be replaced by one that lasts longer.
	renewSession = 5 * time.Minute

	cookieName       = "greyglass"
	secureCookieName = "__Host-greyglass" // browsers accept it only with TLS, for this host alone
)

// session is what a signed cookie holds.
type session struct {
	user       string
	id         string // random
	began, now int64  // Unix seconds: of the login, and when the cookie was made
}

// signer signs cookies and tokens, with a key that lasts as long as the process: a restart
// ends all sessions.
type signer struct {
	key []byte

	mu    sync.Mutex
	ended map[string]int64 // the sessions that were ended by hand, and since when
}

func newSigner() *signer {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // which never fails, see its documentation
	return &signer{key: key, ended: make(map[string]int64)}
}

// sign returns a signature of texts, for a purpose.
func (s *signer) sign(purpose string, texts ...string) string {
	mac := hmac.New(sha256.New, s.key)
	for _, text := range append([]string{purpose}, texts...) {
		mac.Write([]byte(strconv.Itoa(len(text)) + ":" + text)) // so that no text runs into the next
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func same(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

// begin makes a session of a user who has logged in.
func (s *signer) begin(user string, now time.Time) session {
	return session{user: user, id: rand.Text(), began: now.Unix(), now: now.Unix()}
}

// end ends a session. Of those that would have ended by themselves nothing is kept.
func (s *signer) end(of session, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, at := range s.ended {
		if now.Unix()-at > int64(longestSession/time.Second) {
			delete(s.ended, id)
		}
	}
	s.ended[of.id] = now.Unix()
}

// value is the value of the cookie. hash is that of the user's password: when it changes,
// the cookie is void.
func (s *signer) value(of session, hash []byte) string {
	text := strings.Join([]string{base64.RawURLEncoding.EncodeToString([]byte(of.user)), of.id,
		strconv.FormatInt(of.began, 10), strconv.FormatInt(of.now, 10)}, ".")
	return text + "." + s.sign("session", text, string(hash))
}

// parse reads a cookie's value. It checks the signature, with the hash that hashOf returns,
// and the times.
func (s *signer) parse(value string, hashOf func(user string) ([]byte, bool), now time.Time) (of session, ok bool) {
	parts := strings.Split(value, ".")
	if len(parts) != 5 {
		return of, false
	}
	user, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		return of, false
	}
	hash, known := hashOf(string(user))
	valid := same(parts[4], s.sign("session", strings.Join(parts[:4], "."), string(hash)))
	if !known || !valid {
		return of, false
	}
	of = session{user: string(user), id: parts[1]}
	of.began, _ = strconv.ParseInt(parts[2], 10, 64) // the signature is ours
	of.now, _ = strconv.ParseInt(parts[3], 10, 64)
	s.mu.Lock()
	_, ended := s.ended[of.id]
	s.mu.Unlock()
	age := func(since int64) time.Duration { return now.Sub(time.Unix(since, 0)).Abs() }
	return of, !ended && age(of.began) <= longestSession && age(of.now) <= idleSession
}

// setCookie sets the cookie of a session.
func (s *Server) setCookie(w http.ResponseWriter, r *http.Request, of session, hash []byte) {
	cookie := s.cookie(r)
	cookie.Value = s.signer.value(of, hash)
	http.SetCookie(w, cookie)
}

// cookie is the cookie without a value. It has no Max-Age, so that it ends with the browser.
func (s *Server) cookie(r *http.Request) *http.Cookie {
	c := &http.Cookie{Name: cookieName, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if s.overTLS(r) {
		c.Name, c.Secure = secureCookieName, true
	}
	return c
}

// sessionOf returns the session of a request.
func (s *Server) sessionOf(r *http.Request) (of session, ok bool) {
	cookie, err := r.Cookie(s.cookie(r).Name)
	if err != nil {
		return of, false
	}
	return s.signer.parse(cookie.Value, s.users.hash, s.now())
}
