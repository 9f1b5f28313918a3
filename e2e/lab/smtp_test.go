package lab

import (
	"io"
	"net"
	"strings"
	"testing"
)

// script is a server that says each of its lines and closes; what the client
// sent is in the channel then.
func script(t *testing.T, lines string) (addr string, sent chan string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	sent = make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		io.WriteString(c, lines)
		c.(*net.TCPConn).CloseWrite()
		all, _ := io.ReadAll(c)
		c.Close()
		sent <- string(all)
	}()
	return l.Addr().String(), sent
}

func TestRepliesAreReadWhole(t *testing.T) {
	addr, sent := script(t, "220 mx\r\n250-one\r\n250-2.0.0 two\r\n250 three\r\n451 4.7.1 later, 100%\r\n354\r\n250 ok\r\n")
	c := Dial(t, "", addr)
	for n, want := range []Reply{
		{220, "mx"}, {250, "one\n2.0.0 two\nthree"}, {451, "4.7.1 later, 100%"}, {250, "ok"},
	} {
		got := []func() Reply{
			func() Reply { return c.Greeting },
			func() Reply { return c.Ehlo("me") },
			func() Reply { return c.Rcpt("bob@example.test", "NOTIFY=NEVER") },
			func() Reply { return c.Data("a\n.b\r\n\n..c") },
		}[n]()
		if got != want {
			t.Errorf("reply %d: got %q, want %q", n, got, want)
		}
	}
	if r := c.Quit(); r.Code != 0 || r.OK() || !strings.Contains(r.Text, "broken") {
		t.Errorf("after the server closed: got %q", r)
	}
	c.Close()
	want := "EHLO me\r\nRCPT TO:<bob@example.test> NOTIFY=NEVER\r\nDATA\r\na\r\n..b\r\n\r\n...c\r\n.\r\nQUIT\r\n"
	if got := <-sent; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestQueueID(t *testing.T) {
	for text, want := range map[string]string{
		"2.0.0 Ok: queued as 4cXyZ01":                        "4cXyZ01",          // Postfix
		"2.0.0 5AMI1pHk007346 Message accepted for delivery": "5AMI1pHk007346",   // Sendmail
		"OK id=1vMrGl-0001uT-2C":                             "1vMrGl-0001uT-2C", // Exim
		"2.1.5 Ok":                                           "",
	} {
		if got := (Reply{250, text}).QueueID(); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
