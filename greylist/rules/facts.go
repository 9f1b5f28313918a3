package rules

import (
	"context"
	"strings"
	"sync"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

// Facts are what conditions can ask about one recipient of a message.
type Facts struct {
	*greylist.Attempt
	Sender, Recipient string // folded; they hide those of the attempt

	// Now returns the time, in Unix seconds, for conditions on the local time.
	Now       func() int64
	localTime time.Time // cached

	clientFolded, heloFolded string // cached; see once

	nameIdentity string // cached by byName
	named        bool   // it is

	told      func(name, value string) // called with each fact that a condition asks for; may be nil
	unknown   bool                     // the condition asked for a fact that is unknown, and so does not hold
	temperror bool                     // the condition asked for SPF, whose result is temperror
	traced    bool                     // the facts that conditions ask for are wanted
	ctx       context.Context          // of look-ups, while a condition is evaluated

	Learned Learned
	reply   *reply       // cached by asReply
	failed  failedClient // cached by KnownClient

	// Expecting is nil if no mail is expected. Once are the expectations for one recipient
	// that the mail meets.
	Expecting Expecting
	Once      []greylist.Expectation

	message *Message
	look    Lookup // nil before [Set.Bind], or if nothing is looked up
	timeout time.Duration
}

// NewFacts makes facts of an attempt. The recipients of a message share look-ups; the
// message may be nil if there are no others.
func NewFacts(a *greylist.Attempt, m *Message) *Facts {
	return &Facts{Attempt: a, Sender: address.Fold(a.Sender), Recipient: address.Fold(a.Recipient), message: m}
}

// shared returns what the recipients of the message share.
func (f *Facts) shared() *Message {
	if f.message == nil {
		f.message = new(Message)
	}
	return f.message
}

// SPF looks up SPF for the sender and the client.
func (f *Facts) SPF(ctx context.Context) SPF {
	if provider, ok := strings.CutPrefix(f.Client.Identity(), greylist.BySPF); ok {
		return SPF{Result: SPFPass, Provider: provider, Why: "as given"}
	}
	client, ok := f.Client.Addr()
	if !ok || f.look == nil {
		return SPF{Result: SPFNone, Why: "not looked up"}
	}
	m := f.shared()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.spf == nil {
		ctx, done := m.within(ctx, f.timeout)
		defer done()
		spf := f.look.SPF(ctx, client, f.Helo, f.Sender)
		m.spf = &spf
	}
	return *m.spf
}

// KnownSPF returns the result of SPF if a rule has asked for it.
func (f *Facts) KnownSPF() (SPF, bool) {
	if f.message == nil {
		return SPF{}, false
	}
	f.message.mu.Lock()
	defer f.message.mu.Unlock()
	if f.message.spf == nil {
		return SPF{}, false
	}
	return *f.message.spf, true
}

// Listed looks up whether one of the DNS lists has the client.
func (f *Facts) Listed(ctx context.Context, zones ...string) Listing {
	client, ok := f.Client.Addr()
	if !ok || f.look == nil {
		return Listing{Status: Unknown, Why: "not looked up"}
	}
	m, key := f.shared(), strings.Join(zones, " ")
	m.mu.Lock()
	defer m.mu.Unlock()
	listing, known := m.listings[key]
	if !known {
		ctx, done := m.within(ctx, f.timeout)
		defer done()
		listing = f.look.Listed(ctx, client, zones...)
		if m.listings == nil {
			m.listings = make(map[string]Listing)
		}
		m.listings[key] = listing
	}
	return listing
}

// Dynamic reports whether the client has no forward-confirmed name, or one that looks
// like the name of a home connection.
func (f *Facts) Dynamic() bool {
	client, _ := f.Client.Addr()
	return f.ClientName == "" || f.look != nil && f.look.Dynamic(f.ClientName, client)
}

func (f *Facts) clientAddress() string {
	addr, ok := f.Client.Addr()
	if !ok {
		return ""
	}
	return addr.String()
}

func (f *Facts) clientName() string { return once(&f.clientFolded, f.ClientName) }
func (f *Facts) heloName() string   { return once(&f.heloFolded, f.Helo) }
func (f *Facts) clientTLS() bool    { return f.VerifiedTLS }

// once folds the name of a host, unless that is done already.
func once(folded *string, name string) string {
	if *folded == "" {
		*folded = foldHost(name)
	}
	return *folded
}

// spf is the result of SPF.
func (f *Facts) spf() string {
	result := f.SPF(f.ctx).Result
	f.temperror = f.temperror || result == SPFTempError
	return result
}

func (f *Facts) spfProvider() string {
	spf := f.SPF(f.ctx)
	f.unknown = f.unknown || spf.Result == SPFTempError
	return spf.Provider
}

// local is the local time, the same for all conditions.
func (f *Facts) local() time.Time {
	if f.localTime.IsZero() {
		f.localTime = time.Unix(f.Now(), 0)
	}
	return f.localTime
}

// Message is what the recipients of one message share: each fact is looked up once,
// and all look-ups together have one timeout. The zero value is ready for use.
type Message struct {
	mu       sync.Mutex    // held during a look-up, so that there is only one
	spent    time.Duration // by all look-ups
	spf      *SPF
	listings map[string]Listing
	known    knownClient
}

// within bounds a look-up by the rest of the message's timeout. The caller calls done
// after it.
func (m *Message) within(ctx context.Context, timeout time.Duration) (limited context.Context, done func()) {
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, timeout-m.spent)
	return limited, func() {
		cancel()
		m.spent += time.Since(began)
	}
}
