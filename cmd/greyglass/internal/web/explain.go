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
	p := d.Policy()
	if d.keeps() {
		_, decided, err := clientSelection(p, words[0])
		if err != nil {
			return err
		}
		senders, recipients := p.SenderForms(words[1]), address.Forms(words[2])
		page.Recent = d.Recent.Find(func(k *Decided) bool {
			return decided(k) && slices.Contains(senders, k.Sender) && slices.Contains(recipients, k.Recipient)
		}, shown)
	}
	return d.explain(ctx, words, page)
}

// explain adds what would be answered now.
func (d *serving) explain(ctx context.Context, words [3]string, page *searchPage) error {
	t, err := d.triplet(ctx, words)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	p := d.Policy()
	x := &explanation{Triplet: t}
	page.Explain = x
	entry, err := d.Store.Get(ctx, t)
	if err != nil {
		return readError(err)
	}
	now := d.Now()
	answer, err := d.explained(ctx, words[0], t)
	if err != nil {
		page.Notes = append(page.Notes, "What would be answered now is not known in full: "+sentence(err))
	}
	if entry == nil && answer.Remembered != nil { // under the name by which the client is known
		x.Triplet, entry = answer.Triplet, answer.Remembered
	}
	page.Found = nil
	if entry != nil {
		windows := p.Windows
		if answer.Greylisted && answer.Remembered != nil {
			windows = answer.Windows
		}
		stored := d.found(windows, greylist.Record{Triplet: x.Triplet, Entry: *entry})
		page.Found = []found{stored}
	}
	for _, s := range answer.Steps {
		x.Steps = append(x.Steps, step{s.Rule, printable(s.Says), s.Ruling != nil})
	}
	if answer.Greylisted {
		says := "nothing is remembered"
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
		x.Wait = fmt.Sprintf("%s, until %s", show.Duration(a.Wait), timeOfDay(now+a.Wait, now))
	}
	if a.Observed {
		page.Notes = append(page.Notes, "Greylisting only observes (greylist.mode), and so accepts everything.")
	}
	return nil
}

// explained asks the rules what would be answered to a triplet now. host is its client as it
// was written, or as it is stored.
func (d *serving) explained(ctx context.Context, host string, t greylist.Triplet) (judge.Explanation, error) {
	client, isIdentity, _ := greylist.ParseIdentity(t.Client)
	if !isIdentity {
		text, _, _ := strings.Cut(host, "/")
		client = greylist.ParseClient(text)
	}
	return d.Policy().Explain(ctx, d.Store, greylist.Attempt{Client: client, Sender: t.Sender, Recipient: t.Recipient}, d.Now())
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
