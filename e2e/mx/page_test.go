package mx

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"greyglass/e2e/browse"
	"greyglass/e2e/lab"
)

// TestPageOfAnotherMX: what waits because of an attempt at one MX is found on the page of
// another, let in there, and then accepted at the first.
func TestPageOfAnotherMX(t *testing.T) {
	db := database(t)
	users := filepath.Join(lab.Dir(t), "users")
	if err := os.WriteFile(users, []byte(browse.Users(t, password, "olga")), 0o600); err != nil {
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
	wait(t, "the page", func() bool {
		r, err := http.Get("http://" + page + "/")
		if err == nil {
			_ = r.Body.Close()
		}
		return err == nil && r.StatusCode == http.StatusOK
	})
	b := browse.New(t, "http://"+page)
	b.Login("olga", password).Says(t, http.StatusOK, "Log out")
	found := b.Search(ann.sender)
	found.Says(t, http.StatusOK, "ann@sender.test wrote to bob@example.test for the first time")
	b.Press(found, "/pass").Says(t, http.StatusOK, "Let in: mail from ann@sender.test to bob@example.test.")
	if a, err := s.ask(asked.policy(), newID(), ann); a != accept {
		t.Errorf("after it was let in: %v, %v", a, err)
	}
	wait(t, "the decision", func() bool { return strings.Contains(asked.log(), `"verdict":"accept","reason":"already-grey"`) })
}
