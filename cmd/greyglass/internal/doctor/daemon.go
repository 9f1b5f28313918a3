package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"greyglass/greylist"
	"greyglass/milter"
	"greyglass/milter/listen"
	"greyglass/milter/policyd"
)

// answerTimeout is how long the daemon may take to answer.
const answerTimeout = 10 * time.Second

// probeAddress is the sender and the recipient of the probe (RFC 2606, section 2). Its
// client has no address, so that the first rule accepts it and nothing is stored.
const probeAddress = "doctor@greyglass.invalid"

const startIt = "start the daemon ('systemctl start greyglass'); if it does not stay, 'journalctl -u greyglass' says why"

// checkDaemon probes the daemon at each address.
func checkDaemon(ctx context.Context, v *exam) {
	listen := v.config.Listen
	if len(listen.Milter)+len(listen.Policy) == 0 {
		v.wrong("name an address in listen.milter or listen.policy", "no mail server can reach it, because listen.milter and listen.policy are empty")
	}
	var checks []func(*exam)
	for _, s := range listen.Milter {
		checks = append(checks, func(v *exam) { v.checkAddress(ctx, byMilter, s, askMilter) })
	}
	for _, s := range listen.Policy {
		checks = append(checks, func(v *exam) { v.checkAddress(ctx, byPolicy, s, askPolicy) })
	}
	v.together(checks)
}

// together runs checks at the same time, since a daemon that hangs costs each the whole
// timeout, and reports their findings in order.
func (v *exam) together(checks []func(*exam)) {
	found := make([][]Finding, len(checks))
	var running sync.WaitGroup
	for i, check := range checks {
		one := *v
		one.report = func(f Finding) { found[i] = append(found[i], f) }
		running.Go(func() { check(&one) })
	}
	running.Wait()
	for _, f := range slices.Concat(found...) {
		v.report(f)
	}
}

func (v *exam) checkAddress(ctx context.Context, p protocol, spelled string, ask func(context.Context, listen.Address) error) {
	a, err := listen.ParseAddress(spelled)
	if err == nil && a.Network == "systemd" {
		if a, err = v.Machine.passedBySystemd(a); err != nil {
			v.warn("give the unit FileDescriptorName="+a.Addr+", and a ListenStream=", "%s %s could not be asked: %v", p, spelled, err)
			return
		}
		spelled += " (" + a.String() + ")"
	}
	if strings.HasSuffix(a.Addr, ":0") {
		v.warn("choose a port", "%s %s could not be asked: it is another port each time that the daemon starts", p, spelled)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	switch err = ask(ctx, a); {
	case err == nil:
		v.ok("answers at %s %s", p, spelled)
	case errors.Is(err, fs.ErrPermission) && !v.Machine.Super:
		v.warn("run this as root", "%s %s could not be asked: this user may not open it", p, spelled)
	case errors.Is(err, fs.ErrNotExist):
		v.wrong(startIt, "does not answer at %s %s: there is no such socket", p, spelled)
	case errors.Is(err, syscall.ECONNREFUSED):
		v.wrong(startIt, "does not answer at %s %s: nothing listens there", p, spelled)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		v.wrong("look into the daemon's log ('journalctl -u greyglass'), then restart it ('systemctl restart greyglass')",
			"does not answer at %s %s within %v", p, spelled, answerTimeout)
	default:
		v.wrong("see whether it is Greyglass that listens there ('ss -ltnxp' shows it), and what its log says ('journalctl -u greyglass')",
			"does not answer as it should at %s %s: %s", p, spelled, err.Error())
	}
}

func askMilter(ctx context.Context, to listen.Address) error {
	answer, err := milter.Probe(ctx, to, greylist.Attempt{
		Client: greylist.LocalClient(""), Helo: "localhost", Sender: probeAddress, Recipient: probeAddress, Via: greylist.ViaProbe,
	})
	if err != nil {
		return err
	}
	if answer.Verdict != greylist.Accept {
		return fmt.Errorf("it answers %q to a client without an address, which Greyglass would accept", answer.Reply)
	}
	return nil
}

func askPolicy(ctx context.Context, to listen.Address) error {
	answer, err := policyd.Ask(ctx, to, "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=\ngreyglass_probe=yes\nsender="+probeAddress+"\nrecipient="+probeAddress+"\n\n")
	if err != nil {
		return err
	}
	if string(answer) != "action=DUNNO\n\n" {
		return fmt.Errorf("it answers %.1000q to a client without an address, which Greyglass would accept", answer)
	}
	return nil
}
