package milter

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/d--j/go-milter"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/milter/listen"
)

// ProbeAnswer is what a milter answered.
type ProbeAnswer struct {
	Verdict greylist.Verdict
	Reply   string // as the SMTP client would see it; empty if the MTA makes its own
	Stage   string // the SMTP command that was answered: "RCPT" or "DATA"
}

// probeVersion is what a probe that is in no statistics says in the place of the MTA's
// version.
const probeVersion = "greyglass probe"

// Probe asks the milter at an address about a recipient, as an MTA does. It is a real
// attempt, which the daemon stores. Only the client, the HELO name and the envelope of
// the attempt are used, and whether Via is [greylist.ViaProbe].
func Probe(ctx context.Context, to listen.Address, a greylist.Attempt) (ProbeAnswer, error) {
	const timeout = 30 * time.Second // Postfix's milter_command_timeout
	if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > timeout {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	if to.Network == "systemd" {
		return ProbeAnswer{}, fmt.Errorf("cannot connect to %s; give the address that its socket unit listens on", to)
	}
	dialer := &contextDialer{ctx: ctx}
	defer dialer.stop()
	client := milter.NewClient(to.Network, to.Addr,
		milter.WithDialer(dialer),
		milter.WithReadTimeout(timeout), milter.WithWriteTimeout(timeout),
		milter.WithActions(milter.OptSetMacros), milter.WithoutDefaultMacros())
	macros := milter.NewMacroBag()
	if a.Via == greylist.ViaProbe {
		macros.Set(milter.MacroMTAVersion, probeVersion)
	}
	session, err := client.Session(macros)
	if err != nil {
		return ProbeAnswer{}, fmt.Errorf("no answer from %s; is the daemon running? %w", to, because(ctx, err))
	}
	defer session.Close()
	answer, err := converse(session, a)
	if err != nil {
		return ProbeAnswer{}, fmt.Errorf("no answer from %s %w", to, because(ctx, err))
	}
	return answer, nil
}

// because returns the context's error if the context has ended, else err.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// converse sends the commands of one message up to the verdict, then ABORT.
func converse(s *milter.ClientSession, a greylist.Attempt) (ProbeAnswer, error) {
	family, text := milter.FamilyUnknown, ""
	if addr, ok := a.Client.Addr(); ok {
		family, text = milter.FamilyInet, addr.String()
		if addr.Is6() {
			family = milter.FamilyInet6
		}
	}
	sender := address.Fold(a.Sender)
	if sender == address.NullSender {
		sender = ""
	}
	steps := []struct {
		name string
		ask  func() (*milter.Action, error)
	}{
		{"CONNECT", func() (*milter.Action, error) { return s.Conn("["+text+"]", family, 25, text) }},
		{"HELO", func() (*milter.Action, error) { return s.Helo(a.Helo) }},
		{"MAIL", func() (*milter.Action, error) { return s.Mail(sender, "") }},
		{"RCPT", func() (*milter.Action, error) { return s.Rcpt(address.Fold(a.Recipient), "") }},
		{"DATA", s.DataStart},
	}
	answer := ProbeAnswer{Verdict: greylist.Accept}
	for _, step := range steps {
		action, err := step.ask()
		if err != nil {
			return ProbeAnswer{}, fmt.Errorf("at %s: %w", step.name, err)
		}
		answer.Stage = step.name
		if action.StopProcessing() {
			answer.Reply = strings.ReplaceAll(action.SMTPReply, "%%", "%") // as smfi_setreply(3) has it
			answer.Verdict = greylist.Defer
			if action.SMTPCode >= 500 {
				answer.Verdict = greylist.Deny
			}
			break
		}
	}
	_ = s.Abort(nil) // after the answer, an error does not matter
	return answer, nil
}

// contextDialer closes the connection when the context ends, because the library sets
// its own deadlines.
type contextDialer struct {
	ctx     context.Context
	release func() bool
}

func (d *contextDialer) Dial(network, addr string) (net.Conn, error) {
	var dialer net.Dialer
	c, err := dialer.DialContext(d.ctx, network, addr)
	if err == nil {
		d.release = context.AfterFunc(d.ctx, func() { _ = c.Close() })
	}
	return c, err
}

// stop detaches the connection from the context.
func (d *contextDialer) stop() {
	if d.release != nil {
		d.release()
	}
}
