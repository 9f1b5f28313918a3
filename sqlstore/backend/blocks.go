package backend

import (
	"context"
	"database/sql"
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
	idRange
	triplets int64
	bits     [filterParts][]byte

	// The block may be stored if there are still so many blocks between first and last, the
	// first from first on; and, if there are none, if the row last has this key, and no block
	// is after it.
	replaces int64
	lastKey  []byte
}

const (
	blockEndSQL  = `SELECT coalesce(max(last_id), 0) FROM search_block`
	blockRowsSQL = `SELECT id, key, client, sender, recipient FROM triplet WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3`
	blocksSQL    = `SELECT first_id, last_id FROM search_block WHERE last_id > $1 ORDER BY last_id LIMIT 2`
	rowCountSQL  = `SELECT count(*) FROM (SELECT 1 FROM triplet WHERE id BETWEEN $1 AND $2 LIMIT $3) AS triplets`

	// blocksBetweenSQL counts the blocks that end between two ids, has the least of their ids,
	// and counts those after them.
	blocksBetweenSQL = `SELECT count(*), coalesce(min(first_id), 0), (SELECT count(*) FROM search_block WHERE last_id > $2) FROM search_block WHERE last_id BETWEEN $1 AND $2`

	hasRowSQL = `SELECT count(*) FROM triplet WHERE id = $1 AND key = $2`

	removeBlocksSQL  = `DELETE FROM search_block WHERE last_id BETWEEN $1 AND $2`
	removeFiltersSQL = `DELETE FROM search_filter WHERE part = $1 AND last_id BETWEEN $2 AND $3`
	addBlockSQL      = `INSERT INTO search_block (last_id, first_id, triplets) VALUES ($1, $2, $3)`
	addFilterSQL     = `INSERT INTO search_filter (part, last_id, first_id, bits) VALUES ($1, $2, $3, $4)`
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
	b := &Block{idRange: idRange{end + 1, upTo}}
	items, err := b.read(ctx, db)
	if err != nil || b.triplets < BlockTriplets {
		return nil, err
	}
	b.bits = items.bits(b.idRange)
	return b, nil
}

// mergedBlock returns one block in place of the two after an id, if their rows fit one. The
// next two are after the id next; zero: there are none.
func mergedBlock(ctx context.Context, db *sql.DB, after int64) (b *Block, next int64, err error) {
	two, err := queryAll(ctx, db, (*idRange).fields, blocksSQL, after)
	if err != nil || len(two) < 2 {
		return nil, 0, err
	}
	both := idRange{two[0].first, two[1].last}
	var n int64
	if err := db.QueryRowContext(ctx, rowCountSQL, both.first, both.last, BlockTriplets+1).Scan(&n); err != nil {
		return nil, 0, err
	}
	if n > BlockTriplets {
		return nil, two[0].last, nil
	}
	b = &Block{idRange: both, replaces: 2}
	items, err := b.read(ctx, db)
	if err != nil {
		return nil, 0, err
	}
	b.last = both.last // whose row may have expired
	b.bits = items.bits(both)
	return b, after, nil
}

// Store stores the block, unless the rows or the blocks have changed too much.
func (b *Block) Store(tx Transaction) error {
	if fits, err := b.fits(tx); err != nil || !fits {
		return err
	}
	if _, err := tx.Change(removeBlocksSQL, b.first, b.last); err != nil {
		return err
	}
	// Filters stay when the greatest triplets are removed with their blocks. Those after the
	// last block are of no use.
	filtersUpTo := int64(math.MaxInt64)
	if b.replaces > 0 {
		filtersUpTo = b.last
	}
	for part, bits := range b.bits {
		if _, err := tx.Change(removeFiltersSQL, int64(part), b.first, filtersUpTo); err != nil {
			return err
		}
		if _, err := tx.Change(addFilterSQL, int64(part), b.last, b.first, bits); err != nil {
			return err
		}
	}
	_, err := tx.Change(addBlockSQL, b.last, b.first, b.triplets)
	return err
}

// fits reports whether the block may be stored.
func (b *Block) fits(tx Transaction) (bool, error) {
	var between, least, after, rows int64
	if _, err := tx.First(blocksBetweenSQL, []*int64{&between, &least, &after}, b.first, b.last); err != nil {
		return false, err
	}
	if b.replaces > 0 {
		return between == b.replaces && least == b.first, nil
	}
	_, err := tx.First(hasRowSQL, []*int64{&rows}, b.last, b.lastKey)
	return between == 0 && after == 0 && rows > 0, err
}

// read reads the rows of the block. The last is then the last of the block.
func (b *Block) read(ctx context.Context, db *sql.DB) (items filterItems, err error) {
	rows, err := db.QueryContext(ctx, blockRowsSQL, b.first, b.last, BlockTriplets)
	if err != nil {
		return items, err
	}
	defer rows.Close()
	for rows.Next() {
		var t greylist.Triplet
		if err := rows.Scan(&b.last, &b.lastKey, &t.Client, &t.Sender, &t.Recipient); err != nil {
			return items, err
		}
		items.add(b.last, t)
		b.triplets++
	}
	return items, rows.Err()
}
