package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"greyglass/cmd/greyglass/internal/action"
	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/judge"
)

// askTimeout is how long a command asks the rules after it has changed something.
const askTimeout = 5 * time.Second

// obstacle is why the next attempt of a triplet is answered otherwise than the greylist alone
// would answer it.
type obstacle struct {
	greylist.Triplet
	says string
}

// sayNext says what happens to the next attempt of a triplet.
func (p *program) sayNext(ctx context.Context, policy *judge.Policy, store greylist.Store, t greylist.Triplet) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	next, expected := nextAttempt(ctx, policy, store, t)
	if expected {
		fmt.Fprintln(p.stdout, next)
		return
	}
	p.obstacles = append(p.obstacles, obstacle{t, next})
	fmt.Fprintf(p.stderr, "greyglass: %s\n", next)
}

// sayObstacles says which of the triplets that were passed will not be accepted all the
// same, once for each reason, and returns in words how many will be.
func (p *program) sayObstacles(ctx context.Context, policy *judge.Policy, store greylist.Store, triplets []greylist.Triplet) (next string) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	said, kept := make(map[string]bool), 0
	for i, t := range triplets {
		next, expected := nextAttempt(ctx, policy, store, t)
		if ctx.Err() != nil {
			fmt.Fprintf(p.stderr, "greyglass: the rules were asked for %s of them; greyglass explain tells what is answered\n", humanize.Comma(int64(i)))
			return "the greylist accepts them at the sender's next attempt"
		}
		if expected {
			continue
		}
		kept++
		if !said[next] {
			said[next] = true
			p.obstacles = append(p.obstacles, obstacle{t, next})
			fmt.Fprintf(p.stderr, "greyglass: %s: %s\n", address.Printable(t.String()), next)
		}
	}
	switch kept {
	case 0:
		return action.Accepted
	case len(triplets):
		return "but none of them will be " + action.Accepted
	}
	return fmt.Sprintf("%s of them will be %s", humanize.Comma(int64(len(triplets)-kept)), action.Accepted)
}

// nextAttempt says, as explain does, what is answered to the next attempt of a triplet, and
// whether that is what the greylist alone would answer.
func nextAttempt(ctx context.Context, policy *judge.Policy, store greylist.Store, t greylist.Triplet) (words string, expected bool) {
	client, err := clientOf(t.Client)
	if err != nil {
		return err.Error(), false
	}
	x, err := policy.Explain(ctx, store, greylist.Attempt{Client: client, Sender: t.Sender, Recipient: t.Recipient}, timeOf(store).Unix())
	if err != nil {
		err = errors.New(inWords(err))
	}
	return action.Next(x, !policy.AsksClient(), err)
}
