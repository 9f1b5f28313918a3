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

// wanted are the items that a record has which the filter selects: of each group one at
// least.
func wanted(f greylist.Filter) (groups [][]item) {
	any := func(kind byte, texts ...string) {
		var group []item
		for _, text := range texts {
			group = append(group, itemOf(kind, text))
		}
		if group != nil {
			groups = append(groups, group)
		}
	}
	if f.Client != "" {
		any(itemClient, f.Client)
	}
	any(itemSender, f.Senders...)
	any(itemRecipient, f.Recipients...)
	if f.RecipientLocal != "" {
		any(itemRecipientLocal, f.RecipientLocal)
	}
	if domain := domainOfEnd(f.SenderEnds); domain != "" {
		any(itemSenderDomain, domain)
	}
	if domain := domainOfEnd(f.RecipientEnds); domain != "" {
		any(itemRecipientDomain, domain)
	}
	if domain := shortDomain(f.EitherDomain); domain != "" {
		groups = append(groups, []item{itemOf(itemSenderDomain, domain), itemOf(itemRecipientDomain, domain)})
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

const filterSQL = `SELECT b.first_id, b.last_id, f.bits FROM search_block b LEFT JOIN search_filter f ON f.part = $1 AND f.last_id = b.last_id ORDER BY b.last_id`

// without returns the ranges of ids in which there is nothing that the filter selects, in
// their order, not one next to another.
func without(ctx context.Context, db *sql.DB, f greylist.Filter) (ranges []idRange, err error) {
	for _, group := range wanted(f) {
		lacks := map[idRange]int{} // how many items of the group are not in the piece
		for _, x := range group {
			if err := countWithout(ctx, db, x, lacks); err != nil {
				return nil, err
			}
		}
		for piece, n := range lacks {
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

// countWithout counts an item for each piece of a block in which it is not. Between two calls
// blocks may be stored or merged, so only what a piece is known to lack counts.
func countWithout(ctx context.Context, db *sql.DB, x item, lacks map[idRange]int) error {
	rows, err := db.QueryContext(ctx, filterSQL, x.part())
	if err != nil {
		return err
	}
	for rows.Next() && err == nil {
		var block idRange
		var part sql.RawBytes
		if err = rows.Scan(&block.first, &block.last, &part); err != nil || part == nil {
			continue
		}
		for n, piece := range block.pieces() {
			if !x.in(n, part) {
				lacks[piece]++
			}
		}
	}
	return errors.Join(err, rows.Err(), rows.Close())
}
