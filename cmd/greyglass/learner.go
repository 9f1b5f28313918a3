package main

import (
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/cmd/greyglass/internal/maillog"
	"greyglass/greylist"
	"greyglass/greylist/rules"
)

// learner stores triplets and correspondents of the messages in logs.
type learner struct {
	since int64 // Unix seconds
	logs  *maillog.Logs

	store    greylist.Store
	now      int64
	windows  greylist.Windows
	longest  greylist.Windows // of all rules
	identity greylist.Identity
	names    *rules.Set // tells a client by its name
	sent     greylist.Outgoing

	// What is to be stored in the next transaction.
	triplets       map[greylist.Triplet]greylist.Entry
	correspondents map[greylist.Correspondent]greylist.CorrespondentEntry

	incoming, outgoing int64            // messages that were learned from, or too old
	skipped            map[string]int64 // messages, by the reason
	triplet            distinct[greylist.Triplet]
	correspondent      distinct[greylist.Correspondent]
}

// distinct counts what was found in the logs, each once, and what of it was stored. It
// keeps hashes.
type distinct[T comparable] struct {
	seed   maphash.Seed
	stored map[uint64]bool
}

func newDistinct[T comparable]() distinct[T] {
	return distinct[T]{maphash.MakeSeed(), make(map[uint64]bool)}
}

func (d distinct[T]) note(v T, stored bool) {
	h := maphash.Comparable(d.seed, v)
	d.stored[h] = d.stored[h] || stored
}

// counts returns how many were stored, and how many were known.
func (d distinct[T]) counts() (stored, known int) {
	for _, is := range d.stored {
		if is {
			stored++
		} else {
			known++
		}
	}
	return stored, known
}

// Why messages are not learned from.
const (
	skipRefused   = "refused"
	skipSpam      = "taken for spam"
	skipInternal  = "within the site"
	skipForeign   = "for a recipient who is not yours"
	skipRelayed   = "sent on to another server; rules.allowed_domains would say whether the recipient is yours"
	skipDiscarded = "delivered to no mailbox"
	skipUnknown   = "the log does not have, or not clearly, the client or the sender"
	skipSince     = "before --since"
	skipOld       = "delivered longer ago than greylist.max_grey"
	skipOldSent   = "sent longer ago than learn.keep"
	skipNoDomain  = "the recipient has no domain"
	skipNotUser   = "sent to outside, but not by one of your users to another domain"
	skipNoDomains = "sent to outside; learn.local_domains or rules.allowed_domains would say who your users are"
)

// together is how many triplets, or correspondents, are stored in one transaction.
const together = 512

func newLearner(loaded *config.Loaded, logs *maillog.Logs, store greylist.Store, now int64) (*learner, error) {
	l := &learner{
		logs: logs, store: store, now: now,
		windows: loaded.Policy.Windows, longest: loaded.Policy.Longest(), identity: loaded.Policy.Identity,
		triplets: make(map[greylist.Triplet]greylist.Entry), correspondents: make(map[greylist.Correspondent]greylist.CorrespondentEntry),
		skipped: make(map[string]int64), triplet: newDistinct[greylist.Triplet](), correspondent: newDistinct[greylist.Correspondent](),
	}
	var err error
	if l.sent, err = loaded.Config.Outgoing(); err != nil {
		return nil, err
	}
	l.names, err = rules.Config{Lookup: &givenFacts{given: new(replayed), dynamic: loaded.Lookup.Dynamic}}.Compile()
	return l, err
}

// run learns from the logs. It calls progress after each message.
func (l *learner) run(ctx context.Context, progress func()) error {
	for m, err := range l.logs.Mail(ctx) {
		if err == nil {
			err = l.learn(ctx, &m)
		}
		if err != nil {
			return err
		}
		progress()
	}
	return l.flush(ctx)
}

// learn learns from a message, or counts why not.
func (l *learner) learn(ctx context.Context, m *maillog.Mail) (err error) {
	why := l.why(m)
	switch {
	case why != "":
	case m.Direction == maillog.Incoming:
		l.incoming++
		why, err = l.learnTriplet(ctx, m)
	default:
		l.outgoing++
		why = l.learnCorrespondent(m)
	}
	if why != "" {
		l.skipped[why]++
	}
	if err == nil && max(len(l.triplets), len(l.correspondents)) >= together {
		err = l.flush(ctx)
	}
	return err
}

// why says why a message teaches nothing.
func (l *learner) why(m *maillog.Mail) string {
	switch {
	case m.Time < l.since:
		return skipSince
	case m.Outcome == maillog.Spam:
		return skipSpam
	case m.Outcome != maillog.Delivered:
		return skipRefused
	case m.Direction == maillog.Internal:
		return skipInternal
	case m.Direction == maillog.Discarded:
		return skipDiscarded
	case m.Direction == maillog.Unknown:
		return skipUnknown
	case m.Direction == maillog.Relayed && l.logs.Site.Inside != nil:
		return skipForeign
	case m.Direction == maillog.Relayed:
		return skipRelayed
	case !strings.Contains(m.Recipient, "@"):
		return skipNoDomain
	}
	return ""
}

// learnTriplet notes the triplet of a message from outside, as passed when it was
// delivered, or says why not.
func (l *learner) learnTriplet(ctx context.Context, m *maillog.Mail) (why string, err error) {
	at := min(m.Time, l.now)
	if l.now-at > l.longest.MaxGrey {
		return skipOld, nil
	}
	attempt := &greylist.Attempt{Client: greylist.NetworkClient(m.ClientAddress), ClientName: m.ClientName, Helo: m.HELO, Sender: m.Sender, Recipient: m.Recipient}
	t, err := l.identity.Triplet(attempt.Client, attempt.Sender, attempt.Recipient)
	if err != nil {
		return "", err
	}
	facts := rules.NewFacts(attempt, nil)
	l.names.Bind(facts)
	if t.Client, err = facts.ClientIdentity(ctx, l.identity); err != nil {
		return "", err
	}
	e := greylist.Entry{FirstSeen: at, LastSeen: at, PassedAt: at}
	if earlier, twice := l.triplets[t]; twice {
		e = l.merge(earlier, e)
	}
	l.triplets[t] = e
	return "", nil
}

// merge chooses between what is known of a triplet and what a log tells. What is known is
// more than when it passed: since when, and how often.
func (l *learner) merge(there, e greylist.Entry) greylist.Entry {
	if l.windows.Merge(there, e, l.now) == there {
		return there
	}
	merged := there
	merged.PassedAt = e.PassedAt
	merged.FirstSeen, merged.LastSeen = min(there.FirstSeen, e.FirstSeen), max(there.LastSeen, e.LastSeen)
	if merged.FirstAttempt >= merged.FirstSeen {
		merged.FirstAttempt = 0
	}
	return merged
}

// fresh reports whether what is known need not be written again: stored times may lag, see
// [greylist.Entry].
func (l *learner) fresh(there, e greylist.Entry) bool {
	return there.Passed() && e.PassedAt-there.PassedAt < l.windows.RefreshStep() || l.merge(there, e) == there
}

// learnCorrespondent notes the correspondent of a message to outside, or says why not.
func (l *learner) learnCorrespondent(m *maillog.Mail) (why string) {
	at := min(m.Time, l.now)
	who, ok := l.sent.Sent(m.Sender, m.Recipient)
	switch {
	case !l.sent.Teaches():
		return skipNoDomains
	case l.now-at > l.sent.Keep:
		return skipOldSent
	case !ok:
		return skipNotUser
	}
	e := greylist.CorrespondentEntry{FirstSeen: at, LastSeen: at}
	if earlier, twice := l.correspondents[who]; twice {
		e = greylist.CorrespondentNotes{Now: l.now}.Merge(earlier, e)
	}
	l.correspondents[who] = e
	return ""
}

// flush stores what was noted, in one transaction.
func (l *learner) flush(ctx context.Context) error {
	notes, err := l.newCorrespondents(ctx)
	if err != nil {
		return err
	}
	triplets := slices.Collect(maps.Keys(l.triplets))
	d, err := l.store.Update(ctx, triplets, func(there []*greylist.Entry) greylist.Decision {
		d := greylist.Decision{Keep: true, Correspondents: notes}
		for i, t := range triplets {
			e := l.triplets[t]
			if there[i] != nil {
				if l.fresh(*there[i], e) {
					continue
				}
				e = l.merge(*there[i], e)
			}
			d.Others = append(d.Others, greylist.Write{Triplet: i, Entry: e})
		}
		return d
	})
	if err != nil {
		return err
	}
	for _, w := range d.Others {
		l.triplet.note(triplets[w.Triplet], true)
	}
	for t := range l.triplets {
		l.triplet.note(t, false)
	}
	if notes != nil {
		for _, r := range notes.Records {
			l.correspondent.note(r.Correspondent, true)
		}
	}
	for who := range l.correspondents {
		l.correspondent.note(who, false)
	}
	clear(l.triplets)
	clear(l.correspondents)
	return nil
}

// newCorrespondents returns those that were noted, but are not stored, or earlier; nil if
// there are none.
func (l *learner) newCorrespondents(ctx context.Context) (*greylist.CorrespondentNotes, error) {
	notes := &greylist.CorrespondentNotes{Now: l.now}
	for who, e := range l.correspondents {
		there, err := l.store.Correspondent(ctx, who)
		if err != nil {
			return nil, err
		}
		if there == nil || notes.Merge(*there, e) != *there {
			notes.Records = append(notes.Records, greylist.CorrespondentRecord{Correspondent: who, CorrespondentEntry: e})
		}
	}
	if len(notes.Records) == 0 {
		return nil, nil
	}
	return notes, nil
}
