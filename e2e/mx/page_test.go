package mx

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"greyglass/e2e/lab"
)

// TestPageOfAnotherMX: what waits because of an attempt at one MX is found on the page of
// another, let in there, and then accepted at the first.
func TestPageOfAnotherMX(t *testing.T) {
	db := database(t)
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(lab.Dir(t), "users")
	if err := os.WriteFile(users, []byte("olga:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	page := fmt.Sprintf("127.0.0.1:%d", lastPort.Add(2))
	asked := startDaemon(t, urlOf(db))
	startDaemon(t, urlOf(db), "[web]", fmt.Sprintf("listen = %q", page), fmt.Sprintf("users_file = %q", users), `operators = ["olga"]`)

	ann := envelope{"203.0.113.7", "ann@sender.test", "bob@" + lab.Domain}
	var s session
	defer s.close()
	if a, err := s.ask(asked.policy(), newID(), ann); a != later {
		t.Fatalf("at first: %v, %v", a, err)
	}
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}
	text := func(r *http.Response, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		all, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("status %d, %v\n%s", r.StatusCode, err, all)
		}
		return string(all)
	}
	wait(t, "the page", func() bool {
		r, err := http.Get("http://" + page + "/")
		if err == nil {
			_ = r.Body.Close()
		}
		return err == nil && r.StatusCode == http.StatusOK
	})
	text(browser.PostForm("http://"+page+"/login", url.Values{"user": {"olga"}, "password": {password}}))
	found := text(browser.Get("http://" + page + "/search?q=" + ann.sender))
	if !strings.Contains(found, "ann@sender.test wrote to bob@example.test for the first time") {
		t.Fatalf("the search:\n%s", found)
	}
	form := regexp.MustCompile(`(?s)<form action="/pass" method="post">(.*?)</form>`).FindStringSubmatch(found)
	if form == nil {
		t.Fatalf("there is no button:\n%s", found)
	}
	values := url.Values{}
	for _, field := range regexp.MustCompile(`name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(form[1], -1) {
		values.Set(field[1], html.UnescapeString(field[2]))
	}
	if done := text(browser.PostForm("http://"+page+"/pass", values)); !strings.Contains(done, "Let in: mail from ann@sender.test to bob@example.test.") {
		t.Errorf("after the button:\n%s", done)
	}
	if a, err := s.ask(asked.policy(), newID(), ann); a != accept {
		t.Errorf("after it was let in: %v, %v", a, err)
	}
	wait(t, "the decision", func() bool { return strings.Contains(asked.log(), `"verdict":"accept","reason":"already-grey"`) })
}
