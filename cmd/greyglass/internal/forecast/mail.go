package forecast

import (
	"net/netip"
	"strings"

	"greyglass/cmd/greyglass/internal/maillog"
	"greyglass/greylist/address"
)

// mail is a message to a recipient.
type mail struct {
	maillog.Mail
	dynamic bool   // the client has no name, or one that looks dynamic
	domain  string // the registered domain of its name; may be empty

	// ownServer says that the sender is of that domain, too. Then SPF is assumed to pass:
	// a domain hardly ever forgets its own servers in its record.
	ownServer bool

	returns bool  // it is dynamic, and has sent wanted mail on an earlier day
	site    *site // nil if it is not wanted
}

// newMail tells more of a message.
func newMail(m maillog.Mail, dynamic func(name string, client netip.Addr) bool) *mail {
	full := &mail{Mail: m, dynamic: dynamic(m.ClientName, m.ClientAddress), domain: address.RegisteredDomain(strings.ToLower(m.ClientName))}
	_, domain, ok := address.Cut(m.Sender)
	if !ok { // the null sender (RFC 7208, section 2.4)
		domain = m.HELO
	}
	full.ownServer = full.domain != "" && full.domain == address.RegisteredDomain(address.Domain(domain))
	return full
}

// fromOutside reports whether the daemon would have judged mail.
func fromOutside(m *maillog.Mail) bool {
	return (m.Direction == maillog.Incoming || m.Direction == maillog.Relayed) && !m.Authenticated &&
		m.ClientAddress.IsValid() && !m.ClientAddress.IsLoopback()
}

func (m *mail) wanted() bool { return m.Outcome == maillog.Delivered && !m.outgoing() }

// outgoing reports whether it is mail of a user, which is not judged.
func (m *mail) outgoing() bool { return m.Direction == maillog.Outgoing }

// pool reports whether the message is tried again from other addresses.
func (m *mail) pool() bool { return m.site != nil && m.site.pool() }

// server reports whether the message is tried again, from the same address. Clients
// without a mail server's name are assumed to do so only if they send for days.
func (m *mail) server() bool { return m.site != nil && (!m.dynamic || m.returns) }

func dayOf(unix int64) int64 { return unix - unix%day }
