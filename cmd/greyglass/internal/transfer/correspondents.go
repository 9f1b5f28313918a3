package transfer

import (
	"context"

	"greyglass/greylist"
)

// CopyCorrespondents copies the correspondents that the target does not know, or to whom
// the user wrote at another time by what the source knows.
func CopyCorrespondents(ctx context.Context, source, target greylist.Store, now int64) (sum Transferred, err error) {
	notes := greylist.CorrespondentNotes{Now: now}
	flush := func() error {
		if len(notes.Records) == 0 {
			return nil
		}
		batch := notes
		_, err := target.Update(ctx, nil, func([]*greylist.Entry) greylist.Decision {
			return greylist.Decision{Keep: true, Correspondents: &batch}
		})
		if err == nil {
			sum.Written += int64(len(notes.Records))
			notes.Records = nil
		}
		return err
	}
	for r, err := range source.Correspondents(ctx) {
		if err != nil {
			return sum, err
		}
		sum.Seen++
		there, err := target.Correspondent(ctx, r.Correspondent)
		if err != nil {
			return sum, err
		}
		if there != nil && notes.Merge(*there, r.CorrespondentEntry) == *there {
			continue
		}
		if notes.Records = append(notes.Records, r); len(notes.Records) == together {
			if err := flush(); err != nil {
				return sum, err
			}
		}
	}
	return sum, flush()
}
