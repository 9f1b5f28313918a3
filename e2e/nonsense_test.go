package e2e

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"greyglass/e2e/lab"
)

// Whatever answers on the policy socket in the place of Greyglass, Exim accepts.
func TestNonsenseIsNoRefusal(t *testing.T) {
	lab.Require(t)
	for name, answer := range map[string]string{
		"nothing":          "",
		"an empty line":    "\n",
		"junk":             "HTTP/1.1 400 Bad Request\r\n\r\n",
		"octets":           "action=\x00\xff\x01\n\n",
		"an unknown word":  "action=DUNNO, I think\n\n",
		"half an answer":   "action=451",
		"a code, no text":  "action=451\n\n",
		"one that ends it": "action=421 4.7.0 Go away\n\n",
		"another protocol": "451 4.7.1 Greylisted\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			socket := filepath.Join(lab.Dir(t), "policy.sock")
			answerAll(t, socket, answer)
			mx := lab.Start(t, lab.Exim, lab.Options{
				EximACLs:    snippet(t, "exim/acl_greyglass.conf", "/run/greyglass/policy.sock", socket),
				Snippet:     snippet(t, "exim/rcpt.conf"),
				EximPredata: snippet(t, "exim/predata.conf"),
				EximData:    snippet(t, "exim/data.conf"),
			})
			c := lab.Dial(t, unknown, mx.Addr4)
			c.Ehlo("client.sender.test")
			c.Mail("ann@sender.test")
			if got := c.Rcpt(bob); got.Code != 250 {
				t.Errorf("RCPT: %s", got)
			}
			if got := c.Data("Subject: hello\r\n\r\nHello.\r\n"); got.Code != 250 {
				t.Errorf("DATA: %s", got)
			}
		})
	}
}

// answerAll answers every connection to a unix socket with the same octets.
func answerAll(t *testing.T, socket, answer string) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func(c net.Conn) {
				defer c.Close()
				_, _ = io.WriteString(c, answer)
				_, _ = io.Copy(io.Discard, c)
			}(c)
		}
	}()
}
