package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"greyglass/cmd/greyglass/internal/action"
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

// expectFormOf fills the form: of an address that was found as a sender alone, the recipient
// is that of the mail that was found.
func expectFormOf(q Query, page *searchPage) *expectForm {
	f := &expectForm{Minutes: expectFor}
	one := page.Explain != nil // triplet
	switch {
	case q.Triplet != nil:
		f.Sender, f.Recipient = q.Triplet[1], q.Triplet[2]
	case q.Sender != "":
		f.Sender, f.Recipient = q.Sender, q.Recipient
	case q.Address != "" && page.onlySends(q.Address):
		f.Sender = q.Address
		if one {
			f.Recipient = page.Explain.Triplet.Recipient
		}
	case q.Address != "":
		f.Recipient = q.Address
	case one:
		f.Sender, f.Recipient = page.Explain.Triplet.Sender, page.Explain.Triplet.Recipient
	}
	f.Sender, f.Recipient = unbracketed(f.Sender), unbracketed(f.Recipient)
	return f
}

// onlySends reports whether mail from the address was found, and none to it.
func (p *searchPage) onlySends(a string) bool {
	forms := address.Forms(a)
	return a == address.NullSender || len(p.Found)+len(p.Recent) > 0 &&
		!slices.ContainsFunc(p.Found, func(f found) bool { return slices.Contains(forms, f.Recipient) }) &&
		!slices.ContainsFunc(p.Recent, func(d Decided) bool { return slices.Contains(forms, d.Recipient) })
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
	asked := &change{back: e.Recipient, command: fmt.Sprintf("expect %s --from %s --for %dm", e.Recipient, e.Sender, (e.Until-e.Since)/60)}
	if _, err := action.Expect(ctx, d.Policy(), d.Store, e); errors.As(err, new(*action.Refused)) {
		return nil, err
	} else if err != nil {
		return asked, readError(err)
	}
	who := fmt.Sprintf("mail to %s from %s", e.Recipient, anySender(e.Sender))
	asked.undo = func(ctx context.Context) (string, error) {
		all, err := d.Store.Expected(ctx)
		if err != nil {
			return "", readError(err)
		}
		// An earlier try may have undone it.
		restored := replaced != nil && slices.Contains(all, *replaced)
		cancelled := replaced == nil && !slices.ContainsFunc(all, func(there greylist.Expectation) bool {
			return there.Recipient == e.Recipient && there.Sender == e.Sender
		})
		if !restored && !cancelled && !slices.Contains(all, e) {
			return "", errors.New("it is not expected any more, or was changed since then")
		}
		if replaced != nil {
			if err := d.Store.Expect(ctx, *replaced); err != nil {
				return "", readError(err)
			}
			return "Undone: " + who + " is expected as before.", nil
		}
		if _, err := d.Store.CancelExpected(ctx, e.Recipient, e.Sender); err != nil {
			return "", readError(err)
		}
		return "Undone: " + who + " is not expected any more.", nil
	}
	asked.did = printable(fmt.Sprintf("Expected: %s is accepted at once until %s.", who, timeOfDay(e.Until, e.Since)))
	return asked, nil
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
