package main

import (
	"database/sql"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/d--j/go-milter"
)

// mta opens a milter session, which is then idle, as Postfix keeps them.
func (s *site) mta() *milter.ClientSession {
	s.t.Helper()
	session, err := s.tryMTA()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = session.Close() })
	return session
}

func (s *site) tryMTA() (*milter.ClientSession, error) {
	return milter.NewClient("unix", strings.TrimPrefix(s.socket, "unix:"),
		milter.WithReadTimeout(testTimeout), milter.WithWriteTimeout(testTimeout)).Session(milter.NewMacroBag())
}

// mail brings a session to where a recipient is asked about.
func mail(t *testing.T, session *milter.ClientSession) {
	t.Helper()
	_, err := session.Conn("mx.example.net", milter.FamilyInet, 25, "203.0.113.7")
	if err == nil {
		_, err = session.Helo("mx.example.net")
	}
	if err == nil {
		_, err = session.Mail("ann@example.net", "")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Told to end, the daemon does so soon although MTAs keep their sessions open.
func TestShutdownWithIdleSessions(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			daemon := s.serve()
			s.mta()            // just connected
			session := s.mta() // within a message
			mail(t, session)

			began := time.Now()
			daemon.signal(signal)
			stopping := daemon.wait(`"stopping"`)
			if stopping["connections"] != 2.0 {
				t.Errorf("%v", stopping)
			}
			// There is a moment left in which an MTA may finish.
			action, err := session.Rcpt("bob@example.org", "")
			if err != nil || !strings.HasPrefix(action.SMTPReply, "451 4.7.1 ") {
				t.Errorf("RCPT while the daemon stops: %v, %v", action, err)
			}
			<-daemon.done
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
			if status := daemon.cmd.ProcessState.ExitCode(); status != 0 {
				t.Errorf("status %d", status)
			}
			if _, err := s.tryAsk("203.0.113.7", "ann@example.net", "bob@example.org"); err == nil {
				t.Error("the daemon still answers")
			}
			if got := s.list(); len(got) != 1 {
				t.Errorf("remembered: %v", got)
			}
		})
	}
}

// A command that was received before is answered, even if the answer takes a while.
func TestShutdownAnswersWhatItWasAsked(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"store.timeout": `"20s"`})
	daemon := s.serve()
	session := s.mta()
	mail(t, session)
	answer := make(chan string, 1)
	s.sql(func(db *sql.DB) error {
		db.SetMaxOpenConns(1)
		if _, err := db.Exec(`BEGIN IMMEDIATE`); err != nil { // no other connection can write now
			return err
		}
		go func() {
			action, err := session.Rcpt("bob@example.org", "")
			if err != nil {
				answer <- err.Error()
				return
			}
			answer <- action.SMTPReply
		}()
		select {
		case got := <-answer:
			t.Errorf("answered %q while nothing could be remembered", got)
		case <-time.After(100 * time.Millisecond): // it waits
		}
		daemon.signal(syscall.SIGTERM)
		daemon.wait(`"stopping"`)
		_, err := db.Exec(`COMMIT`)
		return err
	})
	if got := <-answer; !strings.HasPrefix(got, "451 4.7.1 Greylisted") {
		t.Errorf("answered %q", got)
	}
	<-daemon.done
	if status := daemon.cmd.ProcessState.ExitCode(); status != 0 {
		t.Errorf("status %d", status)
	}
	if got := s.list("--recipient", "bob@example.org"); len(got) != 1 {
		t.Errorf("remembered: %v", got)
	}
	if lines := daemon.find("closed the remaining connections"); len(lines) != 0 {
		t.Errorf("%v", lines)
	}
}

// Told to end under load, the daemon answers every command that it has received.
func TestShutdownUnderLoad(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.configure(conf{"listen.policy": quoted("inet:127.0.0.1:0")})
	daemon := s.serve()
	servers := s.load(daemon.wait(`"listening"`, `"policy"`).str("bound"), 32)
	eventually(t, "mail servers are answered", func() bool { return servers.answered() > 500 })
	told := time.Now()
	daemon.signal(syscall.SIGTERM)
	<-daemon.done
	if took := time.Since(told); took > shutdownLimit {
		t.Errorf("it took %v to end", took)
	}
	if status := daemon.cmd.ProcessState.ExitCode(); status != 0 {
		t.Errorf("status %d", status)
	}
	servers.end()
	for _, w := range servers.troubles {
		// One that was connected to, and not let in yet, has sent nothing that was received.
		if !w.first && w.asked.Before(told.Add(shutdownGrace/2)) || w.dialed.Before(told) && w.asked.IsZero() {
			t.Errorf("%v, told to end at %v", w, told)
		}
	}
	servers.isRemembered(t)
}
