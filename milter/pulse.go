package milter

import (
	"context"
	"fmt"
	"net"
	"time"
)

// What a milter and a policy service are greeted with, and answer at once
// without judging, logging or remembering anything: a negotiation of version 6
// that offers nothing but the choice of macros (libmilter's SMFIC_OPTNEG), and a state at which nothing
// is judged (Postfix's SMTPD_POLICY_README).
const (
	milterGreeting = "\x00\x00\x00\x0dO\x00\x00\x00\x06\x00\x00\x01\x00\x00\x00\x00\x00"
	milterFarewell = "\x00\x00\x00\x01Q"
	policyGreeting = "request=smtpd_access_policy\nprotocol_state=CONNECT\n\n"
)

// MilterPulse reports whether the milter that listens at an address is alive:
// that it answers, be it by closing the connection because it has too many.
// The error says that it did not before the context ended, or that nobody listens.
func MilterPulse(ctx context.Context, at net.Addr) error {
	return pulse(ctx, at, milterGreeting, milterFarewell)
}

// PolicyPulse is [MilterPulse] for a policy service.
func PolicyPulse(ctx context.Context, at net.Addr) error {
	return pulse(ctx, at, policyGreeting, "")
}

func pulse(ctx context.Context, at net.Addr, greeting, farewell string) error {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, at.Network(), at.String())
	if err != nil {
		return fmt.Errorf("milter: %w", err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	// An error of writing or reading is the other side's answer, unless the time is up.
	_, _ = c.Write([]byte(greeting))
	var answer [512]byte
	_, _ = c.Read(answer[:])
	_, _ = c.Write([]byte(farewell))
	if ctx.Err() != nil {
		return fmt.Errorf("milter: no answer from %s: %w", at, ctx.Err())
	}
	return nil
}
