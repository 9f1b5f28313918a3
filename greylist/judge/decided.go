package judge

import (
	"cmp"
	"strings"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/rules"
)

// Decided is a decision as it is shown to people: what its line in the log has. Text that an
// MTA passed on is printable.
type Decided struct {
	At        int64 // Unix seconds
	Verdict   greylist.Verdict
	Reason    greylist.Reason
	Wait      int64 // seconds until a retry can pass; zero: not known
	Client    string
	Name      string // of the client, confirmed by the MTA; empty: none
	Helo      string
	Identity  string // of the client, if it is known by another name than its address
	Sender    string // folded
	Recipient string // folded
	QueueID   string // empty: none yet
	Code      string // empty unless [Policy.Codes]
	Rule      string
	Via       string
	Observed  bool
}

// longestName is how long the name of a host can be, in octets (RFC 1035, section 2.3.4).
const longestName = 255

// nameIn returns the name of a host, in memory of its own.
func nameIn(text string) string {
	return strings.Clone(address.Printable(text[:min(len(text), longestName)]))
}

// tell passes a decision to the Watcher.
func (j *Judge) tell(p *Policy, f *rules.Facts, a *Answer) {
	if j.Watcher == nil || p.PrivateLog {
		return
	}
	d := Decided{At: j.now(), Verdict: a.Verdict, Reason: a.Reason, Wait: a.Wait, Client: f.Client.String(),
		Name: nameIn(f.ClientName), Helo: nameIn(f.Helo),
		Sender: f.Sender, Recipient: f.Recipient, QueueID: address.Printable(f.QueueID),
		Code: a.Code, Rule: a.Rule, Via: f.Via, Observed: a.Observed}
	if identity := cmp.Or(a.Triplet.Client, a.Proven); identity != d.Client {
		d.Identity = identity
	}
	j.Watcher(d)
}
