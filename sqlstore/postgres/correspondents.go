package postgres

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

const (
	correspondentsSQL = `SELECT local, remote, ` + backend.CorrespondentColumns + ` FROM correspondent
		WHERE (local, remote) IN (SELECT * FROM unnest($1::text[], $2::text[]))`

	addCorrespondentsSQL = `INSERT INTO correspondent (local, remote, ` + backend.CorrespondentColumns + `)
		SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) ON CONFLICT DO NOTHING`

	// mergeCorrespondentsSQL is [greylist.CorrespondentNotes.Merge] in SQL, for the rows
	// that it changes. It skips rows that others have locked: another daemon is just noting
	// them.
	mergeCorrespondentsSQL = `UPDATE correspondent AS c SET first_seen = n.first_seen, last_seen = n.last_seen
		FROM (SELECT c.local, c.remote, least(c.first_seen, n.first_seen, $5) AS first_seen, greatest(least(c.last_seen, $5), n.last_seen) AS last_seen
			FROM correspondent AS c JOIN unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS n (local, remote, first_seen, last_seen)
			ON c.local = n.local COLLATE "C" AND c.remote = n.remote COLLATE "C" AND
				(c.first_seen > least(n.first_seen, $5) OR c.last_seen <> greatest(least(c.last_seen, $5), n.last_seen))
			ORDER BY c.local, c.remote FOR UPDATE OF c SKIP LOCKED) AS n
		WHERE c.local = n.local AND c.remote = n.remote`
)

// scanCorrespondents notes the rows of correspondentsSQL.
func scanCorrespondents(rows pgx.Rows, correspondents map[greylist.Correspondent]*greylist.CorrespondentEntry) error {
	var r greylist.CorrespondentRecord
	_, err := pgx.ForEachRow(rows, []any{&r.Local, &r.Remote, &r.FirstSeen, &r.LastSeen}, func() error {
		found := r.CorrespondentEntry
		correspondents[r.Correspondent] = &found
		return nil
	})
	return err
}

// addCorrespondents adds notes to the transaction. There may be none.
func (t *transaction) addCorrespondents(notes *greylist.CorrespondentNotes) {
	if notes == nil {
		return
	}
	if t.correspondents == nil {
		t.correspondents = make(map[greylist.Correspondent]*greylist.CorrespondentEntry)
	}
	t.noted = max(t.noted, notes.Now)
	for _, r := range notes.Records {
		e := r.CorrespondentEntry
		if twice := t.correspondents[r.Correspondent]; twice != nil {
			e = notes.Merge(*twice, e)
		}
		t.correspondents[r.Correspondent] = &e
	}
}

// queueCorrespondents adds the statements that write correspondents, in the order of their
// names, so that there are no deadlocks.
func (t *transaction) queueCorrespondents(b *pgx.Batch) {
	if len(t.correspondents) == 0 {
		return
	}
	locals, remotes := columnsOf(t.correspondents)
	var first, last []int64
	for i := range locals {
		e := t.correspondents[greylist.Correspondent{Local: locals[i], Remote: remotes[i]}]
		first, last = append(first, e.FirstSeen), append(last, e.LastSeen)
	}
	b.Queue(addCorrespondentsSQL, locals, remotes, first, last)
	b.Queue(mergeCorrespondentsSQL, locals, remotes, first, last, t.noted)
}

// columnsOf returns correspondents in their order as parameters of a statement.
func columnsOf(correspondents map[greylist.Correspondent]*greylist.CorrespondentEntry) (locals, remotes []string) {
	for _, c := range slices.SortedFunc(maps.Keys(correspondents), func(a, b greylist.Correspondent) int {
		return cmp.Or(cmp.Compare(a.Local, b.Local), cmp.Compare(a.Remote, b.Remote))
	}) {
		locals, remotes = append(locals, c.Local), append(remotes, c.Remote)
	}
	return locals, remotes
}

// Correspondent implements [greylist.Memory].
func (s *Store) Correspondent(ctx context.Context, c greylist.Correspondent) (*greylist.CorrespondentEntry, error) {
	var found *greylist.CorrespondentEntry
	err := s.runUpdate(&update{ctx: ctx,
		want: func(r *rowsRead) { r.correspondents[c] = nil },
		take: func(r *rowsRead) { found = r.correspondents[c] }})
	if err != nil {
		return nil, err
	}
	return found, nil
}
