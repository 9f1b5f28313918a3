package forecast

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"greyglass/cmd/greyglass/internal/maillog"
	"greyglass/greylist/address"
	"greyglass/greylist/rules"
)

// month is a month of synthetic mail, in the order of its times.
type month struct {
	rng      *rand.Rand
	orgs     []org
	messages []message
}

// monthBegins is the beginning of the month, in Unix seconds: 2026-10-01.
const monthBegins = 1790812800

// org is a sending organisation.
type org struct {
	domain   string
	site     string // of its clients' names; empty: they have none
	first    netip.Addr
	hosts    int // a pool has several
	schedule func(age int64) (next int64)
	until    int64
	spf      rules.SPF
}

// message is a message with what the log does not tell of it.
type message struct {
	maillog.Mail
	org *org
}

// The schedules of real senders: when a message of that age is tried again.
func asPostfix(age int64) int64 { return age + 300*((min(max(age, 300), 4000)+299)/300) }
func asExim(age int64) int64 {
	if age < 2*hour {
		return (age/1800 + 1) * 1800
	}
	return age + 3*hour/2
}
func asQmail(age int64) int64 {
	n := int64(1)
	for 400*n*n <= age {
		n++
	}
	return 400 * n * n
}
func asMicrosoft(age int64) int64 {
	if age < 45*minute {
		return age + 15*minute
	}
	return age + hour
}
func never(int64) int64 { return 6 * day }

// The pools that a third of the organisations send by.
var pools = []string{"protection.mailcloud.example", "out.searchmail.example", "smtp-out.bulk.example", "mx.shops.example"}

// newMonth makes mail that is delivered, and a fourth as much that is rejected.
func newMonth(seed uint64, delivered int) *month {
	m := &month{rng: rand.New(rand.NewPCG(seed, 16))}
	for i := range max(delivered/50, 50) {
		m.orgs = append(m.orgs, m.newOrg(i))
	}
	for range delivered {
		o := &m.orgs[m.skewed(len(m.orgs))]
		// A person writes to a few others.
		person := m.skewed(4)
		mail := maillog.Mail{ClientName: o.site, Sender: fmt.Sprintf("person%d@%s", person, o.domain),
			Recipient: fmt.Sprintf("user%d@here.example", 7*person+m.skewed(4))}
		if o.hosts > 1 && m.rng.IntN(5) == 0 { // or a shop does to all
			mail.Sender = fmt.Sprintf("bounce-%d-%d@%s", m.rng.IntN(100), m.rng.IntN(1e6), o.domain)
		}
		m.add(o, mail)
	}
	for i := range delivered / 4 {
		bot := &org{first: netip.AddrFrom4([4]byte{203, byte(m.rng.IntN(256)), byte(i >> 8), byte(i)}), hosts: 1, schedule: never, spf: rules.SPF{Result: rules.SPFNone}}
		mail := maillog.Mail{Sender: fmt.Sprintf("x%d@forged.example", i), Recipient: fmt.Sprintf("user%d@here.example", m.rng.IntN(50)), Outcome: maillog.Rejected}
		m.add(bot, mail)
	}
	slices.SortStableFunc(m.messages, func(a, b message) int { return int(a.Time - b.Time) })
	return m
}

// newOrg makes the i-th organisation.
func (m *month) newOrg(i int) org {
	o := org{domain: fmt.Sprintf("org%d.example", i), schedule: asPostfix, until: 5 * day, hosts: 1,
		first: netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)})}
	o.site = "mail." + o.domain
	o.spf = rules.SPF{Result: rules.SPFPass, Provider: o.domain}
	switch kind := m.rng.IntN(100); {
	case kind < 30:
		n := m.rng.IntN(len(pools))
		o.site, o.hosts, o.schedule, o.until = pools[n], 40, asMicrosoft, day
		o.first = netip.AddrFrom4([4]byte{198, 51, byte(100 + n), 1})
		o.spf.Provider = address.RegisteredDomain(o.site)
	case kind < 50:
		o.schedule = asExim
	case kind < 55:
		o.schedule = asQmail
	case kind < 58: // a server without a name
		o.site, o.spf = "", rules.SPF{Result: rules.SPFNone}
	case kind < 59:
		o.schedule = never
	}
	if m.rng.IntN(10) == 0 {
		o.spf = rules.SPF{Result: rules.SPFNone}
	}
	return o
}

// skewed draws one of n; the first ones most often.
func (m *month) skewed(n int) int {
	part := m.rng.Float64()
	return int(part * part * part * float64(n))
}

func (m *month) add(o *org, mail maillog.Mail) {
	mail.Time = monthBegins + m.rng.Int64N(30)*day + 7*hour + m.rng.Int64N(12*hour)
	mail.ClientAddress = o.client(m.rng)
	mail.QueueID, mail.Direction, mail.Outcome = fmt.Sprintf("%010X", len(m.messages)+1), maillog.Incoming, cmp.Or(mail.Outcome, maillog.Delivered)
	m.messages = append(m.messages, message{mail, o})
}

// client draws one of the organisation's hosts.
func (o *org) client(rng *rand.Rand) netip.Addr {
	octets := o.first.As4()
	octets[3] += byte(rng.IntN(o.hosts))
	return netip.AddrFrom4(octets)
}
