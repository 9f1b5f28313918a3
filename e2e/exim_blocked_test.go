package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"greyglass/e2e/lab"
)

// Lists that are not there are empty, as they are for Greyglass.
func TestEximWithoutLists(t *testing.T) {
	mx := lab.Start(t, lab.Exim, lab.Options{
		Extra: "domainlist relay_to_domains =",
		Snippet: snippet(t, "exim/blocked.conf",
			"/etc/greyglass/blocked_emails.list", "/nonexistent/blocked.list",
			"/etc/greyglass/exceptions.list", "/nonexistent/exceptions.list"),
	})
	client := lab.Dial(t, unknown, mx.Addr4)
	client.Ehlo("client.sender.test")
	for _, sender := range []string{"ann@sender.test", ""} {
		client.Mail(sender)
		if got := client.Rcpt("bob@example.test"); got.Code != 250 {
			t.Errorf("<%s>: %s", sender, got)
		}
		client.Rset()
	}
}

// The rule of blocked senders, done by Exim alone, and that it relays for no one else.
func TestEximBlocksByItself(t *testing.T) {
	dir := lab.Dir(t)
	for name, text := range map[string]string{"blocked.list": "pest@bad.test\n*@pest.test\n", "exceptions.list": "carol\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mx := lab.Start(t, lab.Exim, lab.Options{
		Extra: "domainlist relay_to_domains = relay.test",
		// Even there, before the check against relaying, where it should not stand.
		EximFirst: snippet(t, "exim/blocked.conf",
			"/etc/greyglass/blocked_emails.list", filepath.Join(dir, "blocked.list"),
			"/etc/greyglass/exceptions.list", filepath.Join(dir, "exceptions.list")),
	})
	for _, c := range []struct {
		name, sender, recipient string
		code                    int
	}{
		{"an unknown client", "ann@sender.test", "bob@example.test", 250},
		{"blocked by its address", "pest@bad.test", "bob@example.test", 451},
		{"blocked by its domain", "any@pest.test", "bob@example.test", 451},
		{"not a subdomain", "any@mx.pest.test", "bob@example.test", 250},
		{"exception", "any@pest.test", "carol@example.test", 250},
		{"relaying for an unknown client", "ann@sender.test", "victim@far.test", 550},
		{"relaying for a blocked sender", "any@pest.test", "victim@far.test", 451},
		{"relaying for a blocked sender, to an excepted local part", "any@pest.test", "carol@far.test", 451},
		{"relaying for a forged null sender", "", "carol@far.test", 550},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := lab.Dial(t, unknown, mx.Addr4)
			client.Ehlo("client.sender.test")
			client.Mail(c.sender)
			if got := client.Rcpt(c.recipient); got.Code != c.code {
				t.Errorf("got %s, want %d", got, c.code)
			}
		})
	}
}
