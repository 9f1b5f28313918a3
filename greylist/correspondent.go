package greylist

import "greyglass/greylist/address"

// Correspondent is an address outside to which a user of ours has written. Both are as
// [address.Mailbox] returns them.
type Correspondent struct{ Local, Remote string }

// CorrespondentEntry is what is remembered of a correspondent, in whole Unix seconds.
type CorrespondentEntry struct {
	FirstSeen int64 // when the user first wrote

	// LastSeen is when the user last wrote. It may lag by up to an hour; see
	// [Outgoing.Due].
	LastSeen int64
}

// CorrespondentRecord is a correspondent with its entry.
type CorrespondentRecord struct {
	Correspondent
	CorrespondentEntry
}

// CorrespondentNotes are entries to be merged with those that are stored: the earlier
// FirstSeen counts, and the later LastSeen. Stored times after Now, because the clock was
// set back, become Now.
type CorrespondentNotes struct {
	Now     int64
	Records []CorrespondentRecord
}

// Merge merges an entry with the stored one.
func (n CorrespondentNotes) Merge(stored, e CorrespondentEntry) CorrespondentEntry {
	return CorrespondentEntry{min(stored.FirstSeen, e.FirstSeen, n.Now), max(min(stored.LastSeen, n.Now), e.LastSeen)}
}

// Outgoing says which mail goes out, which mail is a reply to it, and for how long.
//
// Its methods are pure functions, as those of [Proving] are.
type Outgoing struct {
	Keep        int64            // how long correspondents are remembered, in seconds
	Domains     address.Patterns // those of our users; empty: outgoing mail teaches nothing
	RequiresSPF bool             // a reply counts only if SPF passes
}

// Teaches reports whether correspondents are remembered and looked up.
func (o *Outgoing) Teaches() bool { return !o.Domains.Empty() }

// Sent returns the correspondent to whom a user writes; ok is false if the mail does not
// go from a user to an address outside.
func (o *Outgoing) Sent(sender, recipient string) (c Correspondent, ok bool) {
	return o.between(sender, recipient)
}

// Reply returns the correspondent who would be writing; ok is false if the mail does not
// come from an address outside to a user.
func (o *Outgoing) Reply(sender, recipient string) (c Correspondent, ok bool) {
	return o.between(recipient, sender)
}

func (o *Outgoing) between(local, remote string) (c Correspondent, ok bool) {
	local, ok1 := address.Mailbox(local)
	remote, ok2 := address.Mailbox(remote)
	return Correspondent{Local: local, Remote: remote}, ok1 && ok2 && o.inside(local) && !o.inside(remote)
}

func (o *Outgoing) inside(mailbox string) bool {
	_, domain, _ := address.Cut(mailbox)
	_, ok := o.Domains.MatchDomain(domain)
	return ok
}

// Counts reports whether a correspondent with this entry, which may be nil, still counts.
func (o *Outgoing) Counts(e *CorrespondentEntry, age Age) bool {
	return e != nil && age(e.LastSeen) <= o.Keep
}

// Due reports whether the entry, which may be nil, must be written because the user
// writes again. LastSeen is written in steps, so that most outgoing mail writes nothing.
func (o *Outgoing) Due(e *CorrespondentEntry, now int64, age Age) bool {
	return e == nil || age(e.LastSeen) >= Windows{MaxGrey: o.Keep}.RefreshStep() || max(e.FirstSeen, e.LastSeen) > now
}
