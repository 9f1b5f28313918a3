package web

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"greyglass/cmd/greyglass/internal/show"
	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/judge"
)

// explainTimeout bounds an explanation, which may ask DNS.
const explainTimeout = 5 * time.Second

// explanation is what would be answered now, and why, rule by rule.
type explanation struct {
	Triplet greylist.Triplet // as it is stored
	Steps   []step
	Verdict string
	Reason  string
	Reply   string
	Wait    string
}

// step is a rule that was asked.
type step struct {
	Rule, Says string
	Decides    bool
}

// answerTriplet finds a client, a sender and a recipient.
func (d *serving) answerTriplet(ctx context.Context, words [3]string, page *searchPage) error {
	if d.keeps() {
		about, err := d.about(words[0], words[1], words[2])
		if err != nil {
			return err
		}
		page.Recent = d.Recent.Find(about, shown)
	}
	return d.explain(ctx, words, page)
}

// about selects the decisions about a client, a sender and a recipient, as written or as
// stored.
func (d *serving) about(client, sender, recipient string) (func(*Decided) bool, error) {
	p := d.Policy()
	_, decided, err := clientSelection(p, client)
	if err != nil {
		return nil, err
	}
	senders, recipients := p.SenderForms(sender), address.Forms(recipient)
	return func(k *Decided) bool {
		return slices.Contains(recipients, k.Recipient) && decided(k) &&
			slices.ContainsFunc(p.SenderForms(k.Sender), func(form string) bool { return slices.Contains(senders, form) })
	}, nil
}

// explain adds what would be answered now.
func (d *serving) explain(ctx context.Context, words [3]string, page *searchPage) error {
	t, err := d.triplet(ctx, words)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	x := &explanation{Triplet: t}
	page.Explain = x
	entry, err := d.Store.Get(ctx, t)
	if err != nil {
		return readError(err)
	}
	now := d.Now()
	answer, known, err := d.explained(ctx, words[0], t)
	if !known {
		page.Notes = append(page.Notes, fmt.Sprintf("Only %s is known of the client, because its last attempt is not among the newest decisions of this machine. Rules that need more, such as its name, may answer otherwise.", printable(words[0])))
	}
	if err != nil {
		page.Notes = append(page.Notes, "The answer below may be incomplete: "+sentence(err))
	}
	if entry == nil && answer.Remembered != nil { // under the name by which the client is known
		x.Triplet, entry = answer.Triplet, answer.Remembered
	}
	page.Found = nil
	if entry != nil {
		holding := d.windowsOf(x.Triplet, page.Recent)
		if known && answer.Greylisted && answer.Remembered != nil {
			holding.Windows, holding.unsure = answer.Windows, false
		}
		stored := d.found(holding, greylist.Record{Triplet: x.Triplet, Entry: *entry})
		page.Found = []found{stored}
	}
	for _, s := range answer.Steps {
		x.Steps = append(x.Steps, step{s.Rule, printable(s.Says), s.Ruling != nil})
	}
	if answer.Greylisted {
		says := "no triplet is stored"
		if e := answer.Remembered; e != nil {
			says = e.State() + ", since " + timeOfDay(e.FirstSeen, now)
		}
		if answer.Why != "" {
			says += "; the client is known as " + printable(answer.Triplet.Client) + ": " + printable(answer.Why)
		}
		x.Steps = append(x.Steps, step{"greylist", says, true})
	}
	a := answer.Answer
	x.Verdict, x.Reason = string(a.Verdict), string(a.Reason)
	if a.Verdict != greylist.Accept {
		x.Reply = printable(a.Reply.String())
	}
	if a.Wait > 0 {
		x.Wait = fmt.Sprintf("%s, until %s", show.Duration(a.Wait), upToMinute(now+a.Wait, now))
	}
	if a.Observed {
		page.Notes = append(page.Notes, "Greylisting only observes (greylist.mode), and so accepts everything.")
	}
	return nil
}

// explained asks the rules what would be answered to a triplet now. host is its client as it
// was written, or as it is stored; its names, and its address, are those of its last attempt.
// known reports whether the answer depends on nothing else of the client.
func (d *serving) explained(ctx context.Context, host string, t greylist.Triplet) (x judge.Explanation, known bool, err error) {
	p := d.Policy()
	a := greylist.Attempt{Sender: t.Sender, Recipient: t.Recipient}
	about, err := d.about(host, t.Sender, t.Recipient)
	if err != nil {
		return x, false, err
	}
	var last []Decided
	if d.keeps() {
		last = d.Recent.Find(func(k *Decided) bool { return k.Via != greylist.ViaProbe && about(k) }, 1)
	}
	client, isIdentity, _ := greylist.ParseIdentity(t.Client)
	switch {
	case len(last) > 0:
		a.Client, a.ClientName, a.Helo, a.Sender = greylist.ParseClient(last[0].Client), last[0].Name, last[0].Helo, last[0].Sender
	case isIdentity:
		a.Client = client
	default:
		text, _, _ := strings.Cut(host, "/")
		a.Client = greylist.ParseClient(text)
	}
	x, err = p.Explain(ctx, d.Store, a, d.Now())
	return x, len(last) > 0 || !p.AsksClient(), err
}

// triplet returns the triplet that words name: as it is stored, if it is, else as the
// policy would store it.
func (d *serving) triplet(ctx context.Context, words [3]string) (greylist.Triplet, error) {
	p := d.Policy()
	stored := greylist.Triplet{Client: strings.ToLower(words[0]), Sender: address.Fold(words[1]), Recipient: address.Fold(words[2])}
	if entry, err := d.Store.Get(ctx, stored); err != nil {
		return stored, readError(err)
	} else if entry != nil {
		return stored, nil
	}
	t, err := p.Identity.ParseTriplet(words[0], words[1], words[2])
	switch {
	case err != nil:
		return t, fmt.Errorf("the first word is no client: %w", err)
	case t.Recipient == address.NullSender:
		return t, errors.New("the third word is no recipient")
	}
	return t, nil
}
