package lab

import (
	"bufio"
	"crypto/tls"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const message = "From: alice@sender.test\nTo: bob@example.test\nSubject: lab\n\nHello.\n.a line with a dot\n"

// Mail of any client is accepted and delivered, whichever address it comes from, and the
// server knows that address; but no server relays for such a client.
func TestMailIsDelivered(t *testing.T) {
	each(t, allMTAs, func(t *testing.T, mta MTA) {
		mx := Start(t, mta, Options{})
		for _, way := range []struct{ source, target, recipient string }{
			{"203.0.113.7", mx.Addr4, "bob@example.test"},
			{"2001:db8:7::1", mx.Addr6, "carol@example.test"},
		} {
			c := Dial(t, way.source, way.target)
			expect(t, "greeting", c.Greeting, 220, Hostname)
			expect(t, "EHLO", c.Ehlo("mail.sender.test"), 250, "STARTTLS")
			expect(t, "MAIL", c.Mail("alice@sender.test", "SIZE=1000"), 250, "")
			if r := c.Rcpt("dave@far.test"); r.Code/100 != 5 {
				t.Errorf("relaying: got %q, want 5xx", r)
			}
			expect(t, "RCPT", c.Rcpt(way.recipient), 250, "")
			r := c.Data(message)
			expect(t, "DATA", r, 250, "")
			if r.QueueID() == "" {
				t.Fatalf("no queue id in %q", r)
			}
			mx.WaitLog(r.QueueID())
			mx.WaitLog(way.source[:8]) // Sendmail writes IPv6 addresses without "::"
			expect(t, "QUIT", c.Quit(), 221, "")
		}
		box := mx.WaitMail(2)
		for n, to := range []string{"bob@example.test", "carol@example.test"} {
			if box[n].To != to || box[n].From != "alice@sender.test" {
				t.Errorf("delivered from %q to %q, want alice@sender.test to %q", box[n].From, box[n].To, to)
			}
			if box[n].Header.Get("Subject") != "lab" || !strings.Contains(box[n].Text, "\n.a line with a dot\n") {
				t.Errorf("message arrived changed:\n%s", box[n].Text)
			}
		}
	})
}

// A message to two recipients is two in the mailbox; the null sender and HELO
// are taken too.
func TestRecipientsAreToldApart(t *testing.T) {
	each(t, allMTAs, func(t *testing.T, mta MTA) {
		mx := Start(t, mta, Options{})
		c := Dial(t, "198.51.100.2", mx.Addr4)
		expect(t, "HELO", c.Helo("mail.sender.test"), 250, "")
		expect(t, "MAIL", c.Mail("alice@sender.test"), 250, "")
		expect(t, "RSET", c.Rset(), 250, "")
		expect(t, "MAIL", c.Mail(""), 250, "")
		expect(t, "RCPT", c.Rcpt("bob@example.test"), 250, "")
		expect(t, "RCPT", c.Rcpt("carol@example.test"), 250, "")
		expect(t, "DATA", c.Cmd("DATA"), 354, "")
		expect(t, "body", c.Body(message), 250, "")
		box := mx.WaitMail(2)
		if box[0].To != "bob@example.test" || box[1].To != "carol@example.test" {
			t.Errorf("delivered to %q and %q", box[0].To, box[1].To)
		}
		if mta != Sendmail && box[0].From != "" { // which writes a bounce's sender as MAILER-DAEMON
			t.Errorf("null sender delivered as %q", box[0].From)
		}
	})
}

// The MTA tells a client certificate of its own CA from another's, and who logs
// in may relay.
func TestTLSAndAuth(t *testing.T) {
	known := map[MTA]string{Postfix: ": Trusted TLS connection", Sendmail: "verify=OK", Exim: "CV=yes"}
	unknown := map[MTA]string{Postfix: ": Untrusted TLS connection", Sendmail: "verify=FAIL", Exim: "CV=no"}
	each(t, allMTAs, func(t *testing.T, mta MTA) {
		mx := Start(t, mta, Options{Auth: true})
		for _, way := range []struct {
			cert   *tls.Certificate
			logged string
		}{
			{ClientCert(), known[mta]},
			{UntrustedCert(), unknown[mta]},
			{nil, ""},
		} {
			c := Dial(t, "203.0.113.7", mx.Addr4)
			expect(t, "EHLO", c.Ehlo("client.sender.test"), 250, "STARTTLS")
			expect(t, "STARTTLS", c.StartTLS(way.cert), 220, "")
			expect(t, "EHLO", c.Ehlo("client.sender.test"), 250, "AUTH")
			expect(t, "wrong password", c.AuthPlain(User, "guess"), 535, "")
			expect(t, "AUTH", c.AuthPlain(User, Password), 235, "")
			expect(t, "MAIL", c.Mail("alice@sender.test"), 250, "")
			expect(t, "relaying", c.Rcpt("dave@far.test"), 250, "")
			expect(t, "DATA", c.Data(message), 250, "")
			mx.WaitLog(way.logged)
		}
		if box := mx.Mailbox(); len(box) != 0 {
			t.Errorf("mail for the outside was delivered here: %v", box)
		}
	})
}

func TestPostfixXclient(t *testing.T) {
	t.Parallel()
	mx := Start(t, Postfix, Options{})
	c := Dial(t, "", mx.Addr4)
	expect(t, "EHLO", c.Ehlo("client.test"), 250, "XCLIENT")
	expect(t, "XCLIENT", c.Xclient("ADDR=198.51.100.77 NAME=pretended.sender.test"), 220, "")
	expect(t, "EHLO", c.Ehlo("client.test"), 250, "")
	expect(t, "MAIL", c.Mail("alice@sender.test"), 250, "")
	expect(t, "RCPT", c.Rcpt("bob@example.test"), 250, "")
	expect(t, "DATA", c.Data(message), 250, "")
	mx.WaitLog("pretended.sender.test[198.51.100.77]")
}

// The instance's own hosts file names clients.
func TestHosts(t *testing.T) {
	each(t, []MTA{Postfix, Sendmail}, func(t *testing.T, mta MTA) {
		mx := Start(t, mta, Options{Hosts: "203.0.113.44 named.sender.test"})
		c := Dial(t, "203.0.113.44", mx.Addr4)
		expect(t, "EHLO", c.Ehlo("helo.sender.test"), 250, "")
		expect(t, "MAIL", c.Mail("alice@sender.test"), 250, "")
		expect(t, "RCPT", c.Rcpt("bob@example.test"), 250, "")
		expect(t, "DATA", c.Data(message), 250, "")
		mx.WaitLog("named.sender.test")
	})
}

// A milter that is not there shows what MilterDefault says.
func TestMilterDefault(t *testing.T) {
	each(t, []MTA{Postfix, Sendmail}, func(t *testing.T, mta MTA) {
		for _, c := range []struct {
			action        string
			greeting, got int
		}{
			{"", 220, 250},
			{"accept", 220, 250},
			{"tempfail", 220, 451},
			{"reject", 554, 550},
		} {
			t.Run("default "+c.action, func(t *testing.T) {
				t.Parallel()
				mx := Start(t, mta, Options{Milters: []string{"unix:" + Dir(t) + "/none"}, MilterDefault: c.action})
				s := Dial(t, "203.0.113.7", mx.Addr4)
				expect(t, "greeting", s.Greeting, c.greeting, "")
				s.Ehlo("client.test")
				expect(t, "MAIL", s.Mail("alice@sender.test"), c.got, "")
			})
		}
	})
}

// Postfix asks a policy server at RCPT, DATA and end of message.
func TestPolicy(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var asked atomic.Value
	go servePolicy(l, &asked)
	server := "inet:" + l.Addr().String()

	mx := Start(t, Postfix, Options{Policy: server, PolicyData: server, Timeout: 20 * time.Second})
	c := Dial(t, "203.0.113.7", mx.Addr4)
	c.Ehlo("client.test")
	c.Mail("alice@sender.test")
	expect(t, "deferred", c.Rcpt("later@example.test"), 450, "4.7.1 <later@example.test>: Recipient address rejected: come back")
	expect(t, "RCPT", c.Rcpt("bob@example.test"), 250, "")
	expect(t, "DATA", c.Data(message), 250, "")
	if asked.Load() != "END-OF-MESSAGE" {
		t.Errorf("last asked at %v, want END-OF-MESSAGE", asked.Load())
	}
}

// servePolicy defers later@example.test, and notes the state of each request.
func servePolicy(l net.Listener, asked *atomic.Value) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			action := "DUNNO"
			for in := bufio.NewScanner(c); in.Scan(); {
				name, value, _ := strings.Cut(in.Text(), "=")
				switch {
				case name == "protocol_state":
					asked.Store(value)
				case name == "recipient" && value == "later@example.test":
					action = "DEFER_IF_PERMIT 4.7.1 come back"
				case name == "":
					c.Write([]byte("action=" + action + "\n\n"))
					action = "DUNNO"
				}
			}
		}()
	}
}
