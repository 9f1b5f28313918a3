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
	// TrimWindow bounds how many of the newest rows one call of Trim looks at, and
	// with it its time and memory: some 30 MB.
	TrimWindow = 200_000

	// TrimMost bounds how many go at a time: of those that were looked at, enough
	// must stay for the few of many networks to be told from the many of a few.
	TrimMost = TrimWindow / 2

	// TrimBatch is how many rows are removed in one transaction: some milliseconds
	// of the writer's time.
	TrimBatch = 500

	// TrimPause is for others' jobs, between two batches.
	TrimPause = time.Millisecond
)

const (
	// newestSQL returns the waiting ones among so many of the newest rows.
	newestSQL = `SELECT key, client FROM triplet
		WHERE id > (SELECT coalesce(max(id), 0) FROM triplet) - $1 AND passed_at IS NULL ORDER BY id DESC`
)

// WaitingRow is a row as Trim looks at it.
type WaitingRow struct {
	key     Key
	network netip.Prefix
}

// NewWaitingRow is the row of a key and its client.
func NewWaitingRow(k Key, client string) WaitingRow { return WaitingRow{k, networkOf(client)} }

// NewestWaiting returns the newest waiting rows, the newest first.
func NewestWaiting(ctx context.Context, db *sql.DB) (all []WaitingRow, err error) {
	rows, err := db.QueryContext(ctx, newestSQL, TrimWindow)
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

// networkOf is the network that a client is likely to have to itself, where it
// has many addresses: of 24 bits for IPv4, of 48 for IPv6 (RFC 6177, section 2).
// Whatever is no address is in one network, the invalid one.
func networkOf(client string) netip.Prefix {
	text, _, _ := strings.Cut(client, "/")
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}
	}
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	network, _ := addr.Prefix(bits)
	return network
}

// Surplus returns which of the rows, of which the newest come first, are to go, so
// that as many go as the excess says: the newest of the networks that have most,
// such that none of these keeps more than any other network may.
func Surplus(newest []WaitingRow, excess int64) (gone []Key) {
	has := make(map[netip.Prefix]int64)
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

// fairLimit returns the greatest number that each may keep for the excess to go.
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
