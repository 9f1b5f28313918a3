package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

// expectFor are the times, in minutes, that the form offers.
var expectFor = []int64{10, 30, 120, 1440}

// expectForm is filled in by what was searched for.
type expectForm struct {
	Recipient, Sender string
	Minutes           []int64
}

func (d *serving) expectFormOf(q Query) *expectForm {
	f := &expectForm{Minutes: expectFor}
	switch {
	case q.Triplet != nil:
		f.Sender, f.Recipient = q.Triplet[1], q.Triplet[2]
	case q.Sender != "":
		f.Sender, f.Recipient = q.Sender, q.Recipient
	case q.Address != "" && q.Address != address.NullSender:
		f.Recipient = q.Address
	}
	f.Sender, f.Recipient = unbracketed(f.Sender), unbracketed(f.Recipient)
	return f
}

func unbracketed(s string) string {
	if s == address.NullSender {
		return s
	}
	return printable(strings.TrimSuffix(strings.TrimPrefix(s, "<"), ">"))
}

// expect accepts mail to a recipient for a while, as the command does.
func expect(ctx context.Context, d *serving, form url.Values) (*change, error) {
	e, err := d.expectation(form)
	if err != nil {
		return nil, err
	}
	p := d.Policy()
	before, err := p.PrecedesExpected(ctx, e)
	switch {
	case err != nil:
		return nil, readError(err)
	case before != nil && before.Verdict != greylist.Accept:
		return nil, fmt.Errorf("such mail is answered %s before, with the reason %s (%s)", before.Verdict, before.Reason, before.Because)
	}
	all, err := d.Store.Expected(ctx)
	if err != nil {
		return nil, readError(err)
	}
	var replaced *greylist.Expectation
	for _, there := range all {
		if there.Recipient == e.Recipient && there.Sender == e.Sender && there.Open(e.Since) {
			replaced = &there
		}
	}
	switch err := d.Store.Expect(ctx, e); {
	case errors.Is(err, greylist.ErrManyExpected):
		return nil, fmt.Errorf("%d expectations are there already", greylist.MaxExpected)
	case err != nil:
		return nil, readError(err)
	}
	who := fmt.Sprintf("mail to %s from %s", e.Recipient, anySender(e.Sender))
	undo := func(ctx context.Context) (string, error) {
		if replaced != nil {
			return "Undone: " + who + " is expected as before.", d.Store.Expect(ctx, *replaced)
		}
		known, err := d.Store.CancelExpected(ctx, e.Recipient, e.Sender)
		if err == nil && !known {
			err = errors.New("it is not expected any more")
		}
		return "Undone: " + who + " is not expected any more.", err
	}
	did := fmt.Sprintf("Expected: %s is accepted at once until %s.", who, timeOfDay(e.Until, e.Since))
	command := fmt.Sprintf("expect %s --from %s --for %dm", e.Recipient, e.Sender, (e.Until-e.Since)/60)
	return &change{did: printable(did), back: e.Recipient, undo: undo, command: command}, nil
}

func anySender(pattern string) string {
	if pattern == "*" {
		return "anybody"
	}
	return pattern
}

// expectation reads the form.
func (d *serving) expectation(form url.Values) (e greylist.Expectation, err error) {
	recipients, err := address.ParsePatterns(address.Recipients, form.Get("recipient"))
	if err != nil {
		return e, fmt.Errorf("the recipient: %w", err)
	}
	senders, err := address.ParsePatterns(address.Senders, cmp.Or(strings.TrimSpace(form.Get("sender")), "*"))
	if err != nil {
		return e, fmt.Errorf("the sender: %w", err)
	}
	e.Recipient, e.Sender = recipients.All()[0], senders.All()[0]
	if local, _, ok := address.Cut(e.Recipient); !ok || local == "" {
		return e, errors.New("the recipient is not one address; write it as bob@example.org")
	}
	minutes, err := strconv.ParseInt(form.Get("minutes"), 10, 64)
	if err != nil || minutes < 1 || minutes > greylist.MaxExpectedFor/60 {
		return e, errors.New("the time is not between a minute and a week")
	}
	e.Since = d.Now()
	e.Until = e.Since + minutes*60
	return e, nil
}
