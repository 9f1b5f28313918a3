package rules

import (
	"context"
	"fmt"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

// reply is what is known of the mail as a reply.
type reply struct {
	isReply bool // the recipient has written to the sender lately
	unknown bool // whether SPF passes, as it must
	says    string
	err     error
}

// asReply returns what is known of the mail as a reply. It is looked up once.
func (f *Facts) asReply(ctx context.Context) reply {
	if f.Learned.Outgoing == nil {
		return reply{says: "learn.outbound is off, so there are no correspondents"}
	}
	if f.reply == nil {
		r := f.lookUpReply(ctx)
		f.reply = &r
	}
	return *f.reply
}

func (f *Facts) lookUpReply(ctx context.Context) reply {
	learned := &f.Learned
	if f.Sender == address.NullSender {
		return reply{says: "mail of the null sender is no reply"}
	}
	who, ok := learned.Outgoing.Reply(f.Attempt.Sender, f.Attempt.Recipient)
	if !ok {
		return reply{says: "the mail does not come from outside to a user"}
	}
	e, err := learned.Memory.Correspondent(ctx, who)
	switch {
	case err != nil:
		return reply{err: err}
	case e == nil:
		return reply{says: fmt.Sprintf("%s has not written to %s", who.Local, who.Remote)}
	case !learned.Outgoing.Counts(e, learned.Age):
		return reply{says: fmt.Sprintf("%s has not written to %s since %s", who.Local, who.Remote, inUTC(e.LastSeen))}
	}
	says := fmt.Sprintf("%s has written to %s, last at %s", who.Local, who.Remote, inUTC(e.LastSeen))
	if !learned.Outgoing.RequiresSPF {
		return reply{isReply: true, says: says}
	}
	spf := f.SPF(ctx)
	says += "; SPF is " + spf.String()
	if spf.Result != SPFPass {
		says += ", and learn.outbound_requires_spf is on"
	}
	return reply{isReply: spf.Result == SPFPass, unknown: spf.Result == SPFTempError, says: says}
}

// correspondent is the fact.
func (f *Facts) correspondent() bool {
	r := f.asReply(f.ctx)
	f.unknown = f.unknown || r.unknown || r.err != nil
	return r.isReply
}

// correspondent is the rule that comes after the ordered rules.
func correspondent(ctx context.Context, f *Facts) (*Ruling, string, error) {
	r := f.asReply(ctx)
	if r.err != nil || !r.isReply {
		return nil, r.says, r.err
	}
	return &Ruling{Verdict: greylist.Accept, Reason: greylist.ReasonCorrespondent, Because: r.says}, "", nil
}
