package judge

import (
	"context"
	"slices"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/rules"
)

// Policy is the configuration by which a [Judge] answers. It is immutable; a reload
// makes a new one, and [Judge.Adopt] swaps it in.
type Policy struct {
	Rules    *rules.Set
	Windows  greylist.Windows
	Identity greylist.Identity
	Reply    greylist.Reply // of the greylist
	Proving  greylist.Proving
	Outgoing greylist.Outgoing
	Observe  bool // the greylist decides, stores and logs, but accepts

	// Probes are the senders of callouts, beside the null sender. They are not
	// deferred at RCPT.
	Probes address.Patterns

	Header bool // accepted messages get the field [HeaderField]

	Codes bool // a reply has {code}; so the log has codes, too

	PrivateLog bool // the log has hashes in place of addresses

	OnError    greylist.Verdict // Accept or Defer, when a rule or the memory fails
	ErrorReply greylist.Reply   // if OnError is Defer
	Timeout    time.Duration    // of the memory
}

// isProbe reports whether mail from the folded sender may be a callout.
func (p *Policy) isProbe(sender string) bool {
	if sender == address.NullSender {
		return true
	}
	_, ok := p.Probes.Match(sender)
	return ok
}

// MayBePending reports whether [Judge.Recipient] may return pending recipients for mail
// from the sender.
func (p *Policy) MayBePending(sender string) bool { return p.isProbe(address.Fold(sender)) }

// learned is how facts find out what the memory has learned.
func (p *Policy) learned(m rules.LearnedMemory, age greylist.Age) rules.Learned {
	learned := rules.Learned{Memory: m, Age: age, Proving: p.Proving, Identity: p.Identity}
	if p.Outgoing.Teaches() {
		learned.Outgoing = &p.Outgoing
	}
	return learned
}

// decides reports whether a ruling is an answer; else the greylist is asked.
func decides(r *rules.Ruling) bool { return r != nil && r.Verdict != rules.Greylist }

// identity returns what makes two attempts the same, for a ruling, which may be nil.
func (p *Policy) identity(r *rules.Ruling) greylist.Identity {
	if r != nil && r.Identity != nil {
		return *r.Identity
	}
	return p.Identity
}

// triplets returns the keys under which an attempt may be stored: first the present one,
// then, where they differ, those of other identities that the attempt has, and that of an
// earlier version. The ruling and last may be nil.
func (p *Policy) triplets(ctx context.Context, f *rules.Facts, r *rules.Ruling, last *lastIdentities) ([]greylist.Triplet, error) {
	identity := p.identity(r)
	client, err := f.ClientIdentity(ctx, identity)
	if err != nil {
		return nil, err
	}
	senders := [...]string{f.Sender, f.Sender}
	if p.normalizes() {
		senders[1] = address.Normalize(f.Attempt.Sender)
	}
	if identity.Normalized {
		senders[0], senders[1] = senders[1], senders[0]
	}
	all := []greylist.Triplet{{Client: client, Sender: senders[0], Recipient: f.Recipient}}
	add := func(client, sender, recipient string) {
		if t := (greylist.Triplet{Client: client, Sender: sender, Recipient: recipient}); !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	add(client, senders[1], f.Recipient)
	addr, ok := f.Client.Addr()
	if ok && p.Provides() {
		for _, other := range last.with(f.OtherIdentities(identity, client), f, client, identity.Network(addr)) {
			add(other, senders[0], f.Recipient)
			add(other, senders[1], f.Recipient)
		}
	}
	if ok && (!address.IsASCII(f.Attempt.Sender) || !address.IsASCII(f.Attempt.Recipient)) {
		add(identity.Network(addr), address.FoldUnconverted(f.Attempt.Sender), address.FoldUnconverted(f.Attempt.Recipient))
	}
	return all, nil
}

// normalizes reports whether the triplet of any attempt may have a normalized sender.
func (p *Policy) normalizes() bool { return p.Identity.Normalized || p.Rules.Normalizes() }

// Provides reports whether the client of any triplet may be known by its provider.
func (p *Policy) Provides() bool { return p.Identity.Provider || p.Rules.Provides() }

// AsksDNS reports whether anything is asked in DNS.
func (p *Policy) AsksDNS() bool {
	return p.Identity.Provider || p.Outgoing.RequiresSPF || p.Rules.AsksDNS()
}

// SenderForms returns the forms in which a sender may be remembered, first as it is
// written.
func (p *Policy) SenderForms(sender string) []string {
	forms := address.Forms(sender)
	if normalized := address.Normalize(sender); p.normalizes() && !slices.Contains(forms, normalized) {
		forms = append(forms, normalized)
	}
	return forms
}

// terms returns the greylist's windows and reply for a ruling, which may be nil.
func (p *Policy) terms(r *rules.Ruling) (greylist.Windows, greylist.Reply) {
	windows, reply := p.Windows, p.Reply
	if r != nil && r.Windows != nil {
		windows = *r.Windows
	}
	if r != nil && r.Reply != (greylist.Reply{}) {
		reply = r.Reply
	}
	return windows, reply
}

// Longest returns the windows by which entries expire: MaxDeferTime and MaxGrey are
// the longest of the greylist's and all rules'.
func (p *Policy) Longest() greylist.Windows {
	w := p.Windows
	for _, own := range p.Rules.Windows() {
		w.MaxDeferTime, w.MaxGrey = max(w.MaxDeferTime, own.MaxDeferTime), max(w.MaxGrey, own.MaxGrey)
	}
	return w
}

// WindowsOf returns the windows by which the greylist answers what a rule sends there; the rule
// is empty if none does.
func (p *Policy) WindowsOf(rule string) greylist.Windows {
	if own, ok := p.Rules.Windows()[rule]; ok {
		return own
	}
	return p.Windows
}

// Widest returns windows in which every retry passes that passes in the greylist's or those of
// a rule. same reports whether all of these are the same.
func (p *Policy) Widest() (widest greylist.Windows, same bool) {
	widest, same = p.Longest(), true
	for _, own := range p.Rules.Windows() {
		widest.TooSoon, widest.MinDeferTime = min(widest.TooSoon, own.TooSoon), min(widest.MinDeferTime, own.MinDeferTime)
		same = same && own == p.Windows
	}
	return widest, same
}

// AsksClient reports whether an answer may depend on the names of a client.
func (p *Policy) AsksClient() bool { return p.Provides() || p.Rules.AsksClient() }
