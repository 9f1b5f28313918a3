package rules

import (
	"context"
	"fmt"
	"time"

	"greyglass/greylist"
)

// LearnedMemory is the part of a [greylist.Memory] that has what is learned.
type LearnedMemory interface {
	Client(ctx context.Context, client string) (*greylist.ClientEntry, error)
	Correspondent(ctx context.Context, c greylist.Correspondent) (*greylist.CorrespondentEntry, error)
}

// Learned is how facts find out whether the client is proven, and whether the recipient has
// written to the sender. The zero value has learned nothing.
type Learned struct {
	Memory   LearnedMemory
	Age      greylist.Age
	Proving  greylist.Proving
	Identity greylist.Identity  // by which a client is looked up
	Outgoing *greylist.Outgoing // nil: outgoing mail teaches nothing
}

// knownClient is what is known of a client.
type knownClient struct {
	client string
	entry  *greylist.ClientEntry // nil: nothing
	asked  bool                  // else nothing was looked up
}

// failedClient is a look-up that failed.
type failedClient struct {
	client string
	err    error
}

// KnownClient returns what is known of a client, as in [greylist.Triplet]. It is looked up
// once a message, unless the recipients have different clients; after a failure once more for
// each recipient.
func (f *Facts) KnownClient(ctx context.Context, client string) (*greylist.ClientEntry, error) {
	m := f.shared()
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.failed.err != nil && f.failed.client == client {
		return nil, f.failed.err
	}
	if k := &m.known; !k.asked || k.client != client {
		entry, err := f.Learned.Memory.Client(ctx, client)
		if err != nil {
			f.failed = failedClient{client, err}
			return nil, err
		}
		*k = knownClient{client, entry, true}
	}
	return m.known.entry, nil
}

// NoteClient notes what was written of a client that is known.
func (f *Facts) NoteClient(w greylist.ClientWrite) {
	m := f.shared()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known = knownClient{client: w.Client, entry: &w.After, asked: true}
}

// RefreshedClient returns the row of the client, if that was found to be proven for this
// message and is to be refreshed, because it goes on sending.
func (f *Facts) RefreshedClient() *greylist.ClientWrite {
	if f.message == nil || f.Learned.Proving.After == 0 {
		return nil
	}
	f.message.mu.Lock()
	defer f.message.mu.Unlock()
	k := &f.message.known
	if !f.Learned.Proving.Proven(k.entry, f.Learned.Age) {
		return nil
	}
	after, due := f.Learned.Proving.Refresh(*k.entry, f.Now(), f.Learned.Age)
	if !due {
		return nil
	}
	return &greylist.ClientWrite{Client: k.client, Before: k.entry, After: after}
}

// isProven reports whether the client is proven, and what is known of it.
func (f *Facts) isProven(ctx context.Context) (yes bool, client string, e *greylist.ClientEntry, err error) {
	if f.Learned.Proving.After == 0 {
		return false, "", nil, nil
	}
	if client, err = f.ClientIdentity(ctx, f.Learned.Identity); err != nil {
		return false, "", nil, nil // of no address, nothing is known
	}
	e, err = f.KnownClient(ctx, client)
	return err == nil && f.Learned.Proving.Proven(e, f.Learned.Age), client, e, err
}

// proven is the fact.
func (f *Facts) proven() bool {
	yes, _, _, err := f.isProven(f.ctx)
	f.unknown = f.unknown || err != nil
	return yes
}

// provenClient is the rule that comes after the ordered rules.
func provenClient(ctx context.Context, f *Facts) (*Ruling, string, error) {
	if f.Learned.Proving.After == 0 {
		return nil, "learn.proven_after is 0, so no client is proven", nil
	}
	yes, client, e, err := f.isProven(ctx)
	if err != nil {
		return nil, "", err
	}
	says := ""
	if f.traced {
		says = f.Learned.inWords(client, e)
	}
	if !yes {
		return nil, says, nil
	}
	return &Ruling{Verdict: greylist.Accept, Reason: greylist.ReasonProvenClient, Because: says, Client: client}, "", nil
}

// inWords says what is known of a client.
func (l *Learned) inWords(client string, e *greylist.ClientEntry) string {
	switch {
	case e == nil:
		return fmt.Sprintf("%q has not passed the greylist", client)
	case l.Age(e.LastSeen) > l.Proving.MaxGrey:
		return fmt.Sprintf("%s has sent nothing since %s", client, inUTC(e.LastSeen))
	}
	triplets := "1 triplet"
	if e.Passed != 1 {
		triplets = fmt.Sprintf("%d different triplets", e.Passed)
	}
	says := fmt.Sprintf("%s has passed with %s since %s", client, triplets, inUTC(e.FirstPassed))
	if e.Passed < l.Proving.After {
		return fmt.Sprintf("%s; %d are needed", says, l.Proving.After)
	}
	return says + ", proven"
}

func inUTC(unix int64) string { return time.Unix(unix, 0).UTC().Format("2006-01-02 15:04:05 MST") }
