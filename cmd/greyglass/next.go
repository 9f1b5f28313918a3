package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/judge"
)

// askTimeout is how long a command asks the rules after it has changed something.
const askTimeout = 5 * time.Second

// sayNext says what happens to the next attempt of a triplet.
func (p *program) sayNext(ctx context.Context, policy *judge.Policy, store greylist.Store, t greylist.Triplet) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if next, expected := nextAttempt(ctx, policy, store, t); expected {
		fmt.Fprintln(p.stdout, next)
	} else {
		fmt.Fprintf(p.stderr, "greyglass: %s\n", next)
	}
}

// sayObstacles says which of the triplets that were passed will not be accepted all the
// same, once for each reason.
func (p *program) sayObstacles(ctx context.Context, policy *judge.Policy, store greylist.Store, triplets []greylist.Triplet) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	said := make(map[string]bool)
	for i, t := range triplets {
		next, expected := nextAttempt(ctx, policy, store, t)
		if ctx.Err() != nil {
			fmt.Fprintf(p.stderr, "greyglass: the rules were asked for %s of them; greyglass explain tells what is answered\n", humanize.Comma(int64(i)))
			return
		}
		if !expected && !said[next] {
			said[next] = true
			fmt.Fprintf(p.stderr, "greyglass: %s: %s\n", address.Printable(t.String()), next)
		}
	}
}

// nextAttempt says, as explain does, what is answered to the next attempt of a triplet, and
// whether that is what the greylist alone would answer.
func nextAttempt(ctx context.Context, policy *judge.Policy, store greylist.Store, t greylist.Triplet) (words string, expected bool) {
	client, err := clientOf(t.Client)
	if err != nil {
		return err.Error(), false
	}
	now := timeOf(store).Unix()
	x, err := policy.Explain(ctx, store, greylist.Attempt{Client: client, Sender: t.Sender, Recipient: t.Recipient}, now)
	answer := x.Answer
	switch {
	case err != nil:
		return fmt.Sprintf("the rules cannot be asked, and mail is answered by on_error (%s) meanwhile: %s", answer.Verdict, inWords(err)), false
	case x.Greylisted && answer.Verdict == greylist.Accept && answer.Reason == greylist.ReasonAlreadyGrey:
		return "accepted at the sender's next attempt", true
	case x.Greylisted && answer.Wait > 0:
		return fmt.Sprintf("deferred at the sender's next attempt; a retry passes %s later", greylist.WaitInWords(answer.Wait)), true
	}
	why := string(answer.Reason)
	if n := len(x.Steps); n > 0 && !x.Greylisted {
		why += ": " + x.Steps[n-1].Says
	}
	if answer.Verdict == greylist.Accept {
		return fmt.Sprintf("accepted at the sender's next attempt in any case (%s)", why), true
	}
	return fmt.Sprintf("the sender's next attempt is answered %s all the same (%s)", strings.ToLower(string(answer.Verdict)), why), false
}
