package forecast

import "greyglass/cmd/greyglass/internal/maillog"

// mail is a message to a recipient.
type mail struct {
	maillog.Mail
	dynamic bool  // the client has no name, or one that looks dynamic
	returns bool  // it is dynamic, and has sent wanted mail on an earlier day
	site    *site // nil if it is not wanted
}

// fromOutside reports whether the daemon would have judged mail.
func fromOutside(m *maillog.Mail) bool {
	return (m.Direction == maillog.Incoming || m.Direction == maillog.Relayed) && !m.Authenticated &&
		m.ClientAddress.IsValid() && !m.ClientAddress.IsLoopback()
}

func (m *mail) wanted() bool { return m.Outcome == maillog.Delivered }

// pool reports whether the message is tried again from other addresses.
func (m *mail) pool() bool { return m.site != nil && m.site.pool() }

// server reports whether the message is tried again, from the same address. Clients
// without a mail server's name are assumed to do so only if they send for days.
func (m *mail) server() bool { return m.site != nil && (!m.dynamic || m.returns) }

func dayOf(unix int64) int64 { return unix - unix%day }
