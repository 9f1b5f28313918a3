package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"greyglass/e2e/lab"
)

// attachment is a way in which a mail server asks Greyglass, by the very lines
// that users paste.
type attachment struct {
	name   string
	mta    lab.MTA
	attach func(t *testing.T, d *daemon, o *lab.Options)
}

var attachments = []attachment{
	{"postfix-milter", lab.Postfix, func(t *testing.T, d *daemon, o *lab.Options) {
		o.Snippet = snippet(t, "postfix/milter.cf", "inet:127.0.0.1:8895", d.milterInet())
		o.Extra = "milter_command_timeout = " + mtaTimeout
	}},
	{"postfix-policy", lab.Postfix, func(t *testing.T, d *daemon, o *lab.Options) {
		o.Snippet = snippet(t, "postfix/policy.cf", "inet:127.0.0.1:8897", d.policyInet(),
			"service_timeout = 5s", "service_timeout = "+mtaTimeout)
	}},
	{"sendmail-milter", lab.Sendmail, func(t *testing.T, d *daemon, o *lab.Options) {
		o.Snippet = snippet(t, "sendmail/greyglass.mc", "unix:/run/greyglass/milter.sock", "unix:"+d.milterUnix(),
			"R:30s", "R:"+mtaTimeout)
	}},
	{"exim-policy", lab.Exim, func(t *testing.T, d *daemon, o *lab.Options) {
		o.EximACLs = snippet(t, "exim/acl_greyglass.conf", "/run/greyglass/policy.sock", d.policyUnix(),
			"{5s}", "{"+mtaTimeout+"}")
		o.Snippet = snippet(t, "exim/rcpt.conf")
		o.EximPredata = snippet(t, "exim/predata.conf")
		o.EximData = snippet(t, "exim/data.conf")
	}},
}

// mtaTimeout is how long mail servers wait for an answer here: less than users
// have them wait, so that a hanging daemon does not stop the tests.
const mtaTimeout = "3s"

// snippet returns a file of contrib, in which the package's sockets, and what
// else is given with a replacement, are those of a test.
func snippet(t *testing.T, file string, oldnew ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "contrib", file))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(string(text), oldnew[i]) {
			t.Fatalf("contrib/%s does not hold %q", file, oldnew[i])
		}
	}
	return strings.NewReplacer(oldnew...).Replace(string(text))
}

// site is a mail server with Greyglass beside it.
type site struct {
	*daemon
	attachment
	mx *lab.Instance
}

func startSite(t *testing.T, a attachment, c conf, o lab.Options) *site {
	t.Helper()
	lab.Require(t)
	d := startDaemon(t, c)
	a.attach(t, d, &o)
	return &site{d, a, lab.Start(t, a.mta, o)}
}

// Clients that Greyglass does not know, in the ranges for documentation (RFC 5737, RFC 3849).
const (
	unknown  = "203.0.113.7"
	unknown2 = "198.51.100.9"
	unknown6 = "2001:db8:7::25"
)

// dial connects from a source address and greets.
func (s *site) dial(source string) *lab.Client {
	s.t.Helper()
	target := s.mx.Addr4
	if strings.Contains(source, ":") {
		target = s.mx.Addr6
	}
	c := lab.Dial(s.t, source, target)
	if r := c.Ehlo("client.sender.test"); !r.OK() {
		s.t.Fatalf("EHLO: %s", r)
	}
	return c
}

// mail begins a message, which no test expects to be refused at MAIL.
func (s *site) mail(c *lab.Client, sender string, parameters ...string) {
	s.t.Helper()
	if r := c.Mail(sender, parameters...); !r.OK() {
		s.t.Fatalf("MAIL FROM:<%s>: %s", sender, r)
	}
}

// try offers a message for one recipient, as a mail server does, and sends it if
// it is taken. It returns the reply that decided.
func (s *site) try(source, sender, recipient string) lab.Reply {
	s.t.Helper()
	c := s.dial(source)
	defer c.Quit()
	s.mail(c, sender)
	if r := c.Rcpt(recipient); !r.OK() {
		return r
	}
	return c.Data("Subject: " + sender + "\r\n\r\nHello.\r\n")
}

// expect fails the test unless a reply has the code and holds the text.
func (s *site) expect(what string, got lab.Reply, code int, text string) {
	s.t.Helper()
	if got.Code != code || !strings.Contains(got.Text, text) {
		s.t.Fatalf("%s: got %q, want %d with %q", what, got, code, text)
	}
}

// deferred expects a greylisting of ours, which by policy a mail server words
// in its own way around our text.
func (s *site) deferred(what string, got lab.Reply) {
	s.t.Helper()
	s.expect(what, got, 451, "Greylisted, please try again in")
	if !strings.HasPrefix(got.Text, "4.7.1 ") {
		s.t.Fatalf("%s: got %q, want the enhanced status code 4.7.1", what, got)
	}
}

// accepted expects that a command or a message was taken.
func (s *site) accepted(what string, got lab.Reply) {
	s.t.Helper()
	s.expect(what, got, 250, "")
}

// sqlite3 runs a query with the sqlite3 program, as an administrator would.
func (s *site) sqlite3(query string) string {
	s.t.Helper()
	out, err := lab.Command(lab.SQLite, filepath.Join(s.dir, "greyglass.db"), query).CombinedOutput()
	if err != nil {
		s.t.Fatalf("sqlite3: %v: %s", err, out)
	}
	return string(out)
}
