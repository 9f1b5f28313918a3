package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greyglass/e2e/lab"
)

const bob, carol, dave = "bob@example.test", "carol@example.test", "dave@example.test"

// scenario is something that must hold however Greyglass is attached.
type scenario struct {
	name string
	conf conf
	lab  lab.Options
	run  func(*site)

	// cannot says why an attachment cannot do it.
	cannot map[string]string
}

var scenarios = []scenario{
	{name: "an unknown client waits, then its mail is accepted and delivered", conf: conf{greylist: quick}, run: func(s *site) {
		s.deferred("first try", s.try(unknown, "ann@sender.test", bob))
		time.Sleep(quickWait)
		s.accepted("retry in the window", s.try(unknown, "ann@sender.test", bob))
		s.mx.WaitMail(1)
		s.accepted("next message", s.try(unknown, "ann@sender.test", bob))
		s.mx.WaitMail(2)
		if got, want := s.reasons(bob, 3), "not-seen-before now-grey already-grey"; got != want {
			s.t.Errorf("reasons: got %q, want %q", got, want)
		}
	}},
	{name: "a retry too soon is deferred", conf: conf{greylist: slow}, run: func(s *site) {
		s.deferred("first try", s.try(unknown, "ann@sender.test", bob))
		s.deferred("retry at once", s.try(unknown, "ann@sender.test", bob))
		s.deferred("another client", s.try(unknown2, "ann@sender.test", bob))
		if got, want := s.reasons(bob, 3), "not-seen-before way-too-soon not-seen-before"; got != want {
			s.t.Errorf("reasons: got %q, want %q", got, want)
		}
		s.mx.WaitMail(0)
	}},
	{name: "a retry before the wait is over is deferred", conf: conf{greylist: "too_soon = 0"}, run: func(s *site) {
		s.deferred("first try", s.try(unknown, "ann@sender.test", bob))
		s.deferred("retry", s.try(unknown, "ann@sender.test", bob))
		if got, want := s.reasons(bob, 2), "not-seen-before too-soon"; got != want {
			s.t.Errorf("reasons: got %q, want %q", got, want)
		}
	}},
	{name: "recipients of one message are judged each on its own",
		conf: conf{rules: `whitelisted_triples = [["203.0.113", "*", "carol@example.test"]]`}, run: func(s *site) {
			c := s.dial(unknown)
			s.mail(c, "ann@sender.test")
			s.deferred("an unknown triplet", c.Rcpt(bob))
			s.accepted("a whitelisted one", c.Rcpt(carol))
			s.deferred("an unknown triplet after an accepted one", c.Rcpt(dave))
			s.accepted("message", c.Data("Subject: hello\r\n\r\nHello.\r\n"))
			if got := s.mx.WaitMail(1); got[0].To != carol {
				s.t.Errorf("delivered to %s, want %s", got[0].To, carol)
			}
		}},
	{name: "the log has the queue ID under which the mail server knows a message",
		conf:   conf{rules: `whitelisted_triples = [["203.0.113", "*", "carol@example.test"]]`},
		cannot: map[string]string{"exim-policy": "Exim gives a message its ID after its recipients were asked about"}, run: func(s *site) {
			c := s.dial(unknown)
			s.mail(c, "ann@sender.test")
			s.accepted("a whitelisted one", c.Rcpt(carol))
			s.deferred("an unknown triplet after an accepted one", c.Rcpt(dave))
			s.accepted("message", c.Data("Subject: hello\r\n\r\nHello.\r\n"))
			text := s.mx.WaitMail(1)[0].Text
			s.reasons(dave, 1)
			if id := s.decisions(dave)[0].str("queue_id"); id == "" || !strings.Contains(text, "id "+id) {
				s.t.Errorf("queue ID %q, of the message\n%s", id, text)
			}
		}},
	{name: "messages of one session are judged each on its own", conf: conf{greylist: quick}, run: func(s *site) {
		s.deferred("first try", s.try(unknown, "ann@sender.test", bob))
		time.Sleep(quickWait)
		c := s.dial(unknown)
		s.mail(c, "ann@sender.test")
		s.accepted("the first message's recipient", c.Rcpt(bob))
		s.accepted("the first message", c.Data("Subject: 1\r\n\r\n1\r\n"))
		s.mail(c, "eve@sender.test")
		s.deferred("the second message's recipient", c.Rcpt(bob))
		s.accepted("reset", c.Rset())
		s.mail(c, "ann@sender.test")
		s.accepted("the third message's recipient", c.Rcpt(bob))
		s.accepted("the third message", c.Data("Subject: 3\r\n\r\n3\r\n"))
		s.mx.WaitMail(2)
	}},
	{name: "an authenticated user is accepted", lab: lab.Options{Auth: true}, run: func(s *site) {
		c := s.dial(unknown)
		if r := c.AuthPlain(lab.User, lab.Password); !r.OK() {
			s.t.Fatalf("AUTH: %s", r)
		}
		s.mail(c, "ann@sender.test")
		s.accepted("recipient", c.Rcpt(bob))
		s.accepted("message", c.Data("Subject: hello\r\n\r\nHello.\r\n"))
		s.mx.WaitMail(1)
		if s.name == "postfix-policy" {
			return // its snippet does not ask about authenticated clients
		}
		if got := s.reasons(bob, 1); got != "authenticated" {
			s.t.Errorf("reason: got %q", got)
		}
	}},
	{name: "allowed clients and networks are accepted", conf: conf{rules: `
allowed_senders = ["203.0.113.7"]
allowed_sender_nets = ["198.51.100", "2001:db8:7::/48"]`}, run: func(s *site) {
		for _, source := range []string{unknown, unknown2, unknown6} {
			s.accepted(source, s.try(source, "ann@sender.test", bob))
		}
		s.deferred("another", s.try("203.0.113.8", "ann@sender.test", bob))
		s.mx.WaitMail(3)
	}},
	{name: "whitelisted triples are accepted", conf: conf{rules: `
whitelisted_triples = [["203.0.113.7", "<ann@sender.test>", "<bob@example.test>"]]`}, run: func(s *site) {
		s.accepted("the triple", s.try(unknown, "Ann@Sender.test", bob))
		s.deferred("another recipient", s.try(unknown, "ann@sender.test", carol))
		if got := s.reasons(bob, 1); got != "whitelisted-triple" {
			s.t.Errorf("reason: got %q", got)
		}
	}},
	{name: "nonstandard triples are accepted by their HELO name", conf: conf{rules: `
whitelisted_nonstandard_triples = [["Client.Sender.test", "203.0.113", "<bob@example.test>"]]`}, run: func(s *site) {
		s.accepted("the triple", s.try(unknown, "any@sender.test", bob))
		s.deferred("another network", s.try(unknown2, "any@sender.test", bob))
		c := lab.Dial(s.t, unknown, s.mx.Addr4)
		c.Ehlo("other.sender.test")
		s.mail(c, "any@sender.test")
		s.deferred("another name", c.Rcpt(bob))
		if got, want := s.reasons(bob, 3), "whitelisted-nonstandard not-seen-before not-seen-before"; got != want {
			s.t.Errorf("reasons: got %q, want %q", got, want)
		}
	}},
	{name: "blocked senders are deferred or denied, exceptions are not, and edits are seen", run: func(s *site) {
		s.write("blocked.list", "# enough of these\n@pest.test\n")
		s.write("exceptions.list", "carol\n")
		s.wait("the lists", func() bool { return s.count("list reloaded") >= 2 })
		s.expect("blocked", s.try(unknown, "x@pest.test", bob), 451, "Mailbox full, retry later")
		s.accepted("exception", s.try(unknown, "x@pest.test", carol))
		s.mx.WaitMail(1)

		s.configure(conf{blocked: `action = "deny"`})
		s.reload()
		s.expect("denied", s.try(unknown, "x@pest.test", bob), 550, "Your email has not been and will not be delivered")

		s.write("blocked.list", "@other.test\n")
		s.wait("the edit", func() bool { return s.count("list reloaded") >= 3 })
		s.deferred("no longer blocked", s.try(unknown, "x@pest.test", bob))
		if got, want := s.reasons(bob, 3), "blocked blocked not-seen-before"; got != want {
			s.t.Errorf("reasons: got %q, want %q", got, want)
		}
	}},
	{name: "IPv6 clients are greylisted by their network", conf: conf{greylist: quick}, run: func(s *site) {
		s.deferred("first try", s.try(unknown6, "ann@sender.test", bob))
		time.Sleep(quickWait)
		s.accepted("retry from the same network", s.try("2001:db8:7::99", "ann@sender.test", bob))
		s.mx.WaitMail(1)
		s.deferred("another network", s.try("2001:db8:8::25", "ann@sender.test", bob))
	}},
	{name: "a callout passes and is not remembered, a bounce is deferred at DATA", conf: conf{greylist: quick}, run: func(s *site) {
		callout := s.dial(unknown)
		s.mail(callout, "")
		s.accepted("the callout's recipient", callout.Rcpt(bob))
		callout.Quit()
		if out, _, _ := s.daemon.run("list", "--json"); out != "[]\n" {
			s.t.Errorf("a callout is remembered: %s", out)
		}

		s.deferred("bounce", s.try(unknown, "", bob))
		time.Sleep(quickWait)
		s.accepted("bounce, again", s.try(unknown, "", bob))
		s.mx.WaitMail(1)
		if got, want := s.reasons(bob, 2), "not-seen-before now-grey"; got != want {
			s.t.Errorf("reasons: got %q, want %q", got, want)
		}
	}},
	{name: "a bounce that comes by BDAT is deferred too", conf: conf{greylist: quick},
		cannot: map[string]string{"sendmail-milter": "Sendmail knows no BDAT"}, run: func(s *site) {
			bounce := func() lab.Reply {
				const text = "Subject: undeliverable\r\n\r\nSorry.\r\n"
				c := s.dial(unknown)
				defer c.Quit()
				s.mail(c, "")
				s.accepted("recipient", c.Rcpt(bob))
				return c.Cmd(fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), strings.TrimSuffix(text, "\r\n")))
			}
			s.deferred("bounce", bounce())
			time.Sleep(quickWait)
			s.accepted("bounce, again", bounce())
			s.mx.WaitMail(1)
			if got, want := s.reasons(bob, 2), "not-seen-before now-grey"; got != want {
				s.t.Errorf("reasons: got %q, want %q", got, want)
			}
		}},
	{name: "a bounce that was deferred is deferred with one more recipient, who is known, too", run: func(s *site) {
		if _, stderr, status := s.daemon.run("pass", unknown, "<>", carol); status != 0 {
			s.t.Fatal(stderr)
		}
		c := s.dial(unknown)
		defer c.Quit()
		s.mail(c, "")
		s.accepted("recipient", c.Rcpt(bob))
		s.deferred("DATA", c.Cmd("DATA"))
		s.accepted("one more", c.Rcpt(carol))
		s.deferred("DATA again", c.Cmd("DATA"))
	}},
	{name: "a bounce for several recipients is deferred if one of them is", conf: conf{greylist: quick}, run: func(s *site) {
		s.deferred("a bounce for one", s.try(unknown, "", bob))
		time.Sleep(quickWait)
		both := func() lab.Reply {
			c := s.dial(unknown)
			defer c.Quit()
			s.mail(c, "")
			s.accepted("one who waited", c.Rcpt(bob))
			s.accepted("one who did not", c.Rcpt(carol))
			return c.Data("Subject: undeliverable\r\n\r\nSorry.\r\n")
		}
		s.deferred("both", both())
		time.Sleep(quickWait)
		s.accepted("both, again", both())
		s.mx.WaitMail(2)
		if got, want := s.reasons(bob, 3), "not-seen-before now-grey already-grey"; got != want {
			s.t.Errorf("reasons: got %q, want %q", got, want)
		}
		if got, want := s.reasons(carol, 2), "not-seen-before now-grey"; got != want {
			s.t.Errorf("reasons: got %q, want %q", got, want)
		}
	}},
	{name: "a probe sender is deferred at DATA too", run: func(s *site) {
		c := s.dial(unknown)
		s.mail(c, "double-bounce@sender.test")
		s.accepted("recipient", c.Rcpt(bob))
		s.deferred("message", c.Data("Subject: hello\r\n\r\nHello.\r\n"))
		if again := c.Cmd("DATA"); again.OK() {
			s.t.Errorf("the same message, again: %s", again)
		}
		if got := s.reasons(bob, 1); got != "not-seen-before" {
			s.t.Errorf("reasons: %q", got)
		}
	}},
	{name: "mail passes while the daemon is down, and is greylisted again afterwards", run: func(s *site) {
		s.deferred("before", s.try(unknown, "ann@sender.test", bob))
		s.stop()
		s.accepted("down", s.try(unknown, "ann@sender.test", bob))
		s.mx.WaitMail(1)
		s.start()
		s.deferred("back", s.try(unknown, "eve@sender.test", bob))
		s.deferred("back, and remembers", s.try(unknown, "ann@sender.test", bob))
		if got, want := s.reasons(bob, 2), "not-seen-before way-too-soon"; got != want {
			s.t.Errorf("reasons: got %q, want %q", got, want)
		}
	}},
	{name: "mail passes when the daemon is killed during a session", run: func(s *site) {
		c := s.dial(unknown)
		s.mail(c, "ann@sender.test")
		s.deferred("before", c.Rcpt(bob))
		s.kill()
		s.accepted("another recipient, after", c.Rcpt(carol))
		s.accepted("message", c.Data("Subject: hello\r\n\r\nHello.\r\n"))
		s.mx.WaitMail(1)
		s.start()
		s.deferred("back, and remembers", s.try(unknown, "ann@sender.test", bob))
		if got := s.reasons(bob, 1); got != "way-too-soon" {
			s.t.Errorf("reason: got %q", got)
		}
	}},
	{name: "mail passes while the daemon hangs", run: func(s *site) {
		s.suspend()
		s.accepted("hanging", s.try(unknown, "ann@sender.test", bob))
		s.mx.WaitMail(1)
		s.resume()
		s.deferred("back", s.try(unknown, "eve@sender.test", bob))
	}},
	{name: "the sqlite3 program reads the database while mail flows", conf: conf{greylist: quick}, run: func(s *site) {
		s.deferred("first try", s.try(unknown, "ann@sender.test", bob))
		if got, want := s.sqlite3("SELECT client, sender, recipient, deferred FROM waiting"), "203.0.113.7|ann@sender.test|bob@example.test|1\n"; got != want {
			s.t.Errorf("waiting: got %q, want %q", got, want)
		}
		// A reader that holds its view of the database for as long as it runs.
		reader := lab.Command(lab.SQLite, "-readonly", filepath.Join(s.dir, "greyglass.db"))
		in, err := reader.StdinPipe()
		if err != nil {
			s.t.Fatal(err)
		}
		out, err := reader.StdoutPipe()
		if err != nil {
			s.t.Fatal(err)
		}
		if err := reader.Start(); err != nil {
			s.t.Fatal(err)
		}
		defer reader.Wait()
		defer in.Close()
		fmt.Fprintln(in, "BEGIN; SELECT count(*) FROM triplet;")
		if _, err := out.Read(make([]byte, 10)); err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(quickWait)
		s.accepted("while it is read", s.try(unknown, "ann@sender.test", bob))
		s.deferred("another, while it is read", s.try(unknown2, "ann@sender.test", bob))
		if got, want := s.sqlite3("SELECT client FROM passed"), unknown+"\n"; got != want {
			s.t.Errorf("passed: got %q, want %q", got, want)
		}
	}},
}

func TestScenarios(t *testing.T) {
	lab.Require(t)
	for _, a := range attachments {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			for _, sc := range scenarios {
				t.Run(sc.name, func(t *testing.T) {
					if why, cannot := sc.cannot[a.name]; cannot {
						t.Logf("not for %s: %s", a.name, why)
						return
					}
					t.Parallel()
					sc.run(startSite(t, a, sc.conf, sc.lab))
				})
			}
		})
	}
}
