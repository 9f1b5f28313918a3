package backend

import (
	"context"
	"database/sql"
	"errors"
	"math"

	"greyglass/greylist"
)

// Rows never change their id, client, sender and recipient, so the table is searched by
// blocks of rows with consecutive ids. Of each full block Bloom filters are stored of what is in
// its eight pieces, by which a search skips nearly all pieces in which there is nothing. The
// rows after the last block are always read. That costs some thirteen octets a triplet and no
// random write, unlike an index on addresses.

// BlockTriplets is how many rows a new block has. Two neighbours are merged when their rows fit
// one.
const BlockTriplets = 4096

// Block is a block of rows with its filter.
type Block struct {
	First, Last int64 // ids
	Triplets    int64
	Bits        [filterParts][]byte

	// The block may be stored if there are still so many blocks between First and Last, the
	// first from First on; and, if there are none, if the row Last has this key, and no block
	// is after it.
	Replaces int64
	LastKey  []byte
}

const (
	blockEndSQL  = `SELECT coalesce(max(last_id), 0) FROM search_block`
	blockRowsSQL = `SELECT id, key, client, sender, recipient FROM triplet WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3`
	blocksSQL    = `SELECT first_id, last_id FROM search_block WHERE last_id > $1 ORDER BY last_id LIMIT 2`
	rowCountSQL  = `SELECT count(*) FROM (SELECT 1 FROM triplet WHERE id BETWEEN $1 AND $2 LIMIT $3) AS triplets`

	// BlocksBetweenSQL counts the blocks that end between two ids, has the least of their ids,
	// and counts those after them.
	BlocksBetweenSQL = `SELECT count(*), coalesce(min(first_id), 0), (SELECT count(*) FROM search_block WHERE last_id > $2) FROM search_block WHERE last_id BETWEEN $1 AND $2`

	// HasRowSQL counts the rows with an id and a key.
	HasRowSQL = `SELECT count(*) FROM triplet WHERE id = $1 AND key = $2`

	// RemoveBlocksSQL and RemoveFiltersSQL remove blocks that end between two ids, and a part
	// of their filters.
	RemoveBlocksSQL  = `DELETE FROM search_block WHERE last_id BETWEEN $1 AND $2`
	RemoveFiltersSQL = `DELETE FROM search_filter WHERE part = $1 AND last_id BETWEEN $2 AND $3`

	// AddBlockSQL and AddFilterSQL add a block, and a part of its filter.
	AddBlockSQL  = `INSERT INTO search_block (last_id, first_id, triplets) VALUES ($1, $2, $3)`
	AddFilterSQL = `INSERT INTO search_filter (part, last_id, first_id, bits) VALUES ($1, $2, $3, $4)`
)

// newBlock returns the first block that is not stored, of rows up to an id; nil if these are
// too few, which their ids alone may show.
func newBlock(ctx context.Context, db *sql.DB, upTo int64) (*Block, error) {
	var end int64
	if err := db.QueryRowContext(ctx, blockEndSQL).Scan(&end); err != nil {
		return nil, err
	}
	if upTo-end < BlockTriplets {
		return nil, nil
	}
	b := &Block{First: end + 1, Last: upTo}
	items, err := b.read(ctx, db)
	if err != nil || b.Triplets < BlockTriplets {
		return nil, err
	}
	b.Bits = items.bits(idRange{b.First, b.Last})
	return b, nil
}

// mergedBlock returns one block in place of the two after an id, if their rows fit one. The
// next two are after the id next; zero: there are none.
func mergedBlock(ctx context.Context, db *sql.DB, after int64) (b *Block, next int64, err error) {
	rows, err := db.QueryContext(ctx, blocksSQL, after)
	if err != nil {
		return nil, 0, err
	}
	var first, last []int64
	for rows.Next() && err == nil {
		var f, l int64
		err = rows.Scan(&f, &l)
		first, last = append(first, f), append(last, l)
	}
	if err := errors.Join(err, rows.Err(), rows.Close()); err != nil || len(last) < 2 {
		return nil, 0, err
	}
	var n int64
	if err := db.QueryRowContext(ctx, rowCountSQL, first[0], last[1], BlockTriplets+1).Scan(&n); err != nil {
		return nil, 0, err
	}
	if n > BlockTriplets {
		return nil, last[0], nil
	}
	b = &Block{First: first[0], Last: last[1], Replaces: 2}
	items, err := b.read(ctx, db)
	if err != nil {
		return nil, 0, err
	}
	b.Last = last[1] // whose row may have expired
	b.Bits = items.bits(idRange{b.First, b.Last})
	return b, after, nil
}

// Fits reports whether the block may be stored, by the results of [BlocksBetweenSQL] and
// [HasRowSQL].
func (b *Block) Fits(between, least, after, rows int64) bool {
	if b.Replaces > 0 {
		return between == b.Replaces && least == b.First
	}
	return between == 0 && after == 0 && rows > 0
}

// FiltersUpTo is the greatest id of the filters that the block replaces. Filters stay when the
// greatest triplets are removed with their blocks; those after the last block are of no use.
func (b *Block) FiltersUpTo() int64 {
	if b.Replaces > 0 {
		return b.Last
	}
	return math.MaxInt64
}

// read reads the rows of the block. The last is then the last of the block.
func (b *Block) read(ctx context.Context, db *sql.DB) (items filterItems, err error) {
	rows, err := db.QueryContext(ctx, blockRowsSQL, b.First, b.Last, BlockTriplets)
	if err != nil {
		return items, err
	}
	defer rows.Close()
	for rows.Next() {
		var t greylist.Triplet
		if err := rows.Scan(&b.Last, &b.LastKey, &t.Client, &t.Sender, &t.Recipient); err != nil {
			return items, err
		}
		items.add(b.Last, t)
		b.Triplets++
	}
	return items, rows.Err()
}
