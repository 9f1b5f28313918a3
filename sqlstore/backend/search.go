package backend

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"greyglass/greylist"
)

// wanted are groups of items: a record that the filter selects has at least one of each.
func wanted(f greylist.Filter) (groups [][]item) {
	items := func(kind byte, texts ...string) (group []item) {
		for _, text := range texts {
			group = append(group, itemOf(kind, text))
		}
		return group
	}
	oneOf := func(group []item) {
		if group != nil {
			groups = append(groups, group)
		}
	}
	if f.Client != "" {
		oneOf(items(itemClient, f.Client))
	}
	if senders, recipients := items(itemSender, f.Senders...), items(itemRecipient, f.Recipients...); f.Either {
		oneOf(append(senders, recipients...))
	} else {
		oneOf(senders)
		oneOf(recipients)
	}
	if f.RecipientLocal != "" {
		oneOf(items(itemRecipientLocal, f.RecipientLocal))
	}
	if domain := domainOfEnd(f.SenderEnds); domain != "" {
		oneOf(items(itemSenderDomain, domain))
	}
	if domain := domainOfEnd(f.RecipientEnds); domain != "" {
		oneOf(items(itemRecipientDomain, domain))
	}
	if domain := shortDomain(f.EitherDomain); domain != "" {
		oneOf(append(items(itemSenderDomain, domain), items(itemRecipientDomain, domain)...))
	}
	return groups
}

// domainOfEnd is the domain that all addresses have, or a domain above theirs, that end with
// a text; empty if there is none.
func domainOfEnd(end string) string {
	domain := ""
	if strings.Contains(end, "@") {
		_, domain = cutAddress(end)
	} else { // it may begin within a label
		_, domain, _ = strings.Cut(end, ".")
	}
	return shortDomain(domain)
}

// idRange are the ids from first to last.
type idRange struct{ first, last int64 }

// fields returns the destinations of first_id and last_id.
func (r *idRange) fields() []any { return []any{&r.first, &r.last} }

// emptyRanges returns the ranges of ids in which there is nothing that the filter selects, in
// their order, not one next to another.
func emptyRanges(ctx context.Context, db *sql.DB, f greylist.Filter) (ranges []idRange, err error) {
	groups := wanted(f)
	if groups == nil {
		return nil, nil
	}
	stored, err := queryAll(ctx, db, (*idRange).fields, `SELECT first_id, last_id FROM search_block`)
	if err != nil {
		return nil, err
	}
	blocks := make(map[idRange]bool)
	for _, block := range stored {
		blocks[block] = true
	}
	for _, group := range groups {
		missing := map[idRange]int{} // how many items of the group are not in the piece
		for _, x := range group {
			if err := countMissing(ctx, db, x, blocks, missing); err != nil {
				return nil, err
			}
		}
		for piece, n := range missing {
			if n == len(group) {
				ranges = append(ranges, piece)
			}
		}
	}
	slices.SortFunc(ranges, func(a, b idRange) int { return cmp.Compare(a.first, b.first) })
	joined := ranges[:0]
	for _, r := range ranges {
		if n := len(joined); n > 0 && r.first <= joined[n-1].last+1 {
			joined[n-1].last = max(joined[n-1].last, r.last)
			continue
		}
		joined = append(joined, r)
	}
	return joined, nil
}

// countMissing counts an item for each piece of the blocks in which it is not. A Bloom filter
// counts only if its block, with the same first and last id, is one of these: filters of removed
// blocks stay until a new block replaces them, and blocks may have been merged since.
func countMissing(ctx context.Context, db *sql.DB, x item, blocks map[idRange]bool, missing map[idRange]int) error {
	rows, err := db.QueryContext(ctx, `SELECT first_id, last_id, bits FROM search_filter WHERE part = $1 ORDER BY last_id`, x.part())
	if err != nil {
		return err
	}
	for rows.Next() && err == nil {
		var block idRange
		var part sql.RawBytes
		if err = rows.Scan(&block.first, &block.last, &part); err != nil || !blocks[block] {
			continue
		}
		for n, piece := range block.pieces() {
			if !x.in(n, part) {
				missing[piece]++
			}
		}
	}
	return errors.Join(err, rows.Err(), rows.Close())
}
