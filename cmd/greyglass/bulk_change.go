package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/show"
	"greyglass/greylist"
	"greyglass/greylist/address"
)

// bulkChange changes all triplets that patterns select, once that is confirmed.
type bulkChange struct {
	selection
	yes bool

	waiting bool   // only those that wait
	verb    string // "pass"
	done    string // "passed: %s", with a number of triplets
	next    string // what happens to their next mail; of those that waited, the rules say it
	change  func(context.Context, greylist.Store, greylist.Triplet) error
}

func (s *bulkChange) flags(cmd *cobra.Command) {
	s.addressFlags(cmd)
	cmd.Flags().BoolVar(&s.yes, "yes", false, "do not ask")
}

// given reports whether there is a pattern, in the place of a triplet.
func (s *bulkChange) given(cmd *cobra.Command) bool {
	return slices.ContainsFunc([]string{"sender", "recipient", "domain"}, cmd.Flags().Changed)
}

// run lists the triplets, asks, and changes them.
func (s *bulkChange) run(p *program, cmd *cobra.Command) error {
	if err := s.parse(cmd); err != nil {
		return err
	}
	loaded, err := p.loadWithoutLists(cmd)
	if err != nil {
		return err
	}
	return p.inStore(cmd, loaded, func(ctx context.Context, loaded *config.Loaded, store greylist.Store) error {
		if err := s.mayChange(ctx, store); err != nil {
			return err
		}
		f := s.filter(loaded.Policy)
		f.Waiting = s.waiting
		var triplets []greylist.Triplet
		for r, err := range store.List(ctx, f) {
			if err != nil {
				return err
			}
			triplets = append(triplets, r.Triplet)
		}
		if len(triplets) == 0 {
			what := "triplet is"
			if s.waiting {
				what = "triplet waits that is"
			}
			return fmt.Errorf("no %s selected; 'greyglass list' takes the same patterns", what)
		}
		if err := s.confirm(cmd, p.stdout, triplets); err != nil {
			return err
		}
		number := show.Count(int64(len(triplets)), "triplet")
		if err := p.record(ctx, store, wordsOf(cmd, nil)+" ("+number+")"); err != nil {
			return err
		}
		for i, t := range triplets {
			limited, cancel := context.WithTimeout(ctx, changeTimeout)
			err := s.change(limited, store, t)
			cancel()
			if err != nil {
				return fmt.Errorf("%s of %s changed, then: %w; run it again to go on", humanize.Comma(int64(i)), number, err)
			}
			p.noted(t)
		}
		next := s.next
		if s.waiting {
			next = p.sayObstacles(ctx, loaded.Policy, store, triplets)
		}
		_, err := fmt.Fprintf(p.stdout, s.done+"; %s\n", number, next)
		return err
	})
}

// mayChange reports, before anybody is asked, whether this user may change the database.
func (s *bulkChange) mayChange(ctx context.Context, store greylist.Store) error {
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	return store.Ping(ctx)
}

// confirm shows some of the triplets and asks on a terminal; elsewhere --yes must be given.
func (s *bulkChange) confirm(cmd *cobra.Command, stdout io.Writer, triplets []greylist.Triplet) error {
	if s.yes {
		return nil
	}
	number := show.Count(int64(len(triplets)), "triplet")
	if terminalWidth(stdout) == 0 {
		return usage(cmd, "%s selected; add --yes to %s them", number, s.verb)
	}
	const shown = 5
	for _, t := range triplets[:min(shown, len(triplets))] {
		fmt.Fprintln(stdout, address.Printable(t.String()))
	}
	if more := len(triplets) - shown; more > 0 {
		fmt.Fprintf(stdout, "and %s more\n", humanize.Comma(int64(more)))
	}
	fmt.Fprintf(stdout, "%s %s? [y/N] ", strings.ToUpper(s.verb[:1])+s.verb[1:], number)
	answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return errors.New("nothing changed")
	}
	return nil
}
