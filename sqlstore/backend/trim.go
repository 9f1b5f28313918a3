package backend

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	// TrimWindow is how many of the newest rows one call of Trim reads. It bounds the
	// memory to some 30 MB.
	TrimWindow = 200_000

	// TrimMost bounds how many rows one call removes: enough of the window must stay to
	// tell the networks of the flood from others.
	TrimMost = TrimWindow / 2

	// trimBatch is how many rows are removed in one transaction: some milliseconds
	// of the writer's time.
	trimBatch = 500

	// trimPause is the pause between two batches, for other jobs.
	trimPause = time.Millisecond
)

// Trim removes an excess of rows, or as many as one call may. remove removes those of a batch
// that still wait, and returns how many.
func Trim(ctx context.Context, db *sql.DB, excess int64, remove func([]Key) (int64, error)) (removed int64, err error) {
	newest, err := newestWaiting(ctx, db)
	if err != nil {
		return 0, err
	}
	for batch := range slices.Chunk(Surplus(newest, min(excess, TrimMost)), trimBatch) {
		n, err := remove(batch)
		removed += n
		if err != nil {
			return removed, err
		}
		select {
		case <-ctx.Done():
			return removed, ctx.Err()
		case <-time.After(trimPause):
		}
	}
	return removed, nil
}

// WaitingRow is the key and the network of a row.
type WaitingRow struct {
	key     Key
	network string
}

// NewWaitingRow makes a row of a key and its client.
func NewWaitingRow(k Key, client string) WaitingRow { return WaitingRow{k, networkOf(client)} }

// newestWaiting returns the waiting rows among the newest rows, newest first.
func newestWaiting(ctx context.Context, db *sql.DB) (all []WaitingRow, err error) {
	rows, err := db.QueryContext(ctx, `SELECT key, client FROM triplet
		WHERE id > (SELECT coalesce(max(id), 0) FROM triplet) - $1 AND passed_at IS NULL ORDER BY id DESC`, TrimWindow)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var k []byte
		var client string
		if err := rows.Scan(&k, &client); err != nil {
			return nil, err
		}
		if len(k) == len(Key{}) {
			all = append(all, NewWaitingRow(Key(k), client))
		}
	}
	return all, rows.Err()
}

// networkOf returns the network that a client with many addresses probably owns: /24 for
// IPv4, /48 for IPv6 (RFC 6177, section 2). A client that is known by a domain is a
// network of its own.
func networkOf(client string) string {
	text, _, _ := strings.Cut(client, "/")
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return client
	}
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	network, _ := addr.Prefix(bits)
	return network.String()
}

// Surplus chooses which of the rows, newest first, to remove: as many as the excess, the
// newest of the networks that have most, so that these keep equally many.
func Surplus(newest []WaitingRow, excess int64) (gone []Key) {
	has := make(map[string]int64)
	for _, r := range newest {
		has[r.network]++
	}
	limit := fairLimit(slices.Collect(maps.Values(has)), excess)
	for _, r := range newest {
		if int64(len(gone)) == excess {
			break
		}
		if has[r.network] > limit {
			has[r.network]--
			gone = append(gone, r.key)
		}
	}
	return gone
}

// fairLimit returns the greatest number of rows for each network with which at least the
// excess is removed.
func fairLimit(has []int64, excess int64) int64 {
	slices.SortFunc(has, func(a, b int64) int { return cmp.Compare(b, a) })
	var sum int64
	for i, n := range has {
		sum += n
		var next int64
		if i+1 < len(has) {
			next = has[i+1]
		}
		// The first i+1 can be cut down to what the next has.
		if many := int64(i + 1); sum-many*next >= excess {
			return (sum - excess) / many
		}
	}
	return 0
}
