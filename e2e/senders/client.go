package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
)

// pool is the hosts of a provider.
type pool struct {
	nets  []string // their first addresses, network by network, one after the other
	hosts int      // how many there are; 0: no pool
	step  int      // from an address to the next in its network
	draw  int      // among how many the attempts of one message are drawn; 0: one
	name  string   // {ip} is the address, {n} the number
}

// The pools of the mix. 40.92/15, 40.107/16, 52.100/14 and 104.47/17 are Microsoft's; of
// 200 addresses, 18 differ before one repeats, on average, and of Google's 16 7 in 9.
var (
	outlook   = pool{[]string{"40.92.18.1", "40.107.1.1", "52.101.68.1", "104.47.2.1", "2a01:111:f400:fe00::1", "40.107.96.1"}, 3000, 3, 200, "mail-{ip}.outbound.protection.outlook.com"}
	google    = pool{[]string{"209.85.128.41", "209.85.208.41", "74.125.82.41"}, 600, 7, 16, "mail-wm1-f{n}.google.com"}
	yahoo     = pool{[]string{"66.163.184.38", "77.238.176.97"}, 100, 1, 1, "sonic{n}-20.consmr.mail.bf2.yahoo.com"}
	aol       = pool{[]string{"204.29.186.193"}, 20, 1, 1, "omr-m{n}.mx.aol.com"}
	gmx       = pool{[]string{"212.227.15.15"}, 6, 1, 3, "mout.gmx.net"}
	mailru    = pool{[]string{"94.100.177.91", "217.69.138.80"}, 60, 1, 16, "f{n}.i.mail.ru"}
	icloud    = pool{[]string{"17.58.6.40", "17.57.155.10"}, 60, 3, 2, "pv50p00im-ztdg{n}.me.com"}
	mimecast  = pool{[]string{"185.58.85.151", "195.130.217.221", "207.211.30.141"}, 40, 5, 12, "eu-smtp-delivery-{n}.mimecast.com"}
	amazon    = pool{[]string{"54.240.8.1", "54.240.48.1", "69.169.224.1"}, 600, 3, 40, "a{n}-31.smtp-out.amazonses.com"}
	sendgrid  = pool{[]string{"149.72.10.20", "167.89.2.60", "168.245.9.30"}, 90, 256, 6, "o{n}.outbound-mail.sendgrid.net"}
	mailchimp = pool{[]string{"205.201.128.10", "198.2.128.10"}, 120, 5, 20, "mail{n}.atl21.rsgsv.net"}
	mandrill  = pool{[]string{"198.2.179.10"}, 40, 5, 12, "mail{n}.suw41.mandrillapp.com"}
	mailgun   = pool{[]string{"69.72.32.10", "159.135.224.10"}, 60, 3, 1, "m{n}.mailgun.net"}
	sparkpost = pool{[]string{"147.253.208.20", "156.70.2.20"}, 60, 7, 12, "mta-{n}.sparkpostmail.com"}
)

// client is a host that attempts to deliver.
type client struct {
	addr netip.Addr
	name string // empty: none that the mail server could confirm
}

// client is the i-th host of a pool.
func (p pool) client(i int) client {
	i %= p.hosts
	base := netip.MustParseAddr(p.nets[i%len(p.nets)])
	addr := plus(base, uint64(i/len(p.nets)*p.step))
	return client{addr, strings.NewReplacer("{ip}", dashed(addr), "{n}", fmt.Sprint(i+11)).Replace(p.name)}
}

// plus adds to an address; of IPv6, 8 hosts share a /64.
func plus(a netip.Addr, n uint64) netip.Addr {
	octets := a.As16()
	add := func(at int, n uint64) {
		for ; n > 0; at-- {
			n += uint64(octets[at])
			octets[at] = byte(n)
			n >>= 8
		}
	}
	if a.Is6() {
		add(7, n/8)
	}
	add(15, n)
	return netip.AddrFrom16(octets).Unmap()
}

func dashed(a netip.Addr) string { return strings.NewReplacer(".", "-", ":", "-").Replace(a.String()) }

// own draws the host of an organisation, domain, that has one of its own.
func (c care) own(rng *rand.Rand, domain string, two bool) []client {
	n := rng.Uint64N(1 << 22)
	four := client{addr: plus(netip.MustParseAddr("100.64.0.0"), n)}
	six := client{addr: plus(netip.MustParseAddr("2001:db8::25"), n*8)}
	if rng.Float64() < c.named {
		names := []string{"mail." + domain, "mx1." + domain, "smtp." + domain, "srv4." + domain}
		four.name = names[rng.IntN(len(names))]
		six.name = four.name
		if rng.Float64() < c.generic {
			lines := []string{"static-%s.business.isp.example", "%s.dynamic.isp.example", "dsl-%s.pool.isp.example", "host-%s.rented.example"}
			line := lines[rng.IntN(len(lines))]
			four.name, six.name = fmt.Sprintf(line, dashed(four.addr)), fmt.Sprintf(line, dashed(six.addr))
		}
	}
	if !two {
		return []client{four}
	}
	return []client{four, six}
}

// spf draws what SPF says of an organisation's mail.
func (c care) spf(rng *rand.Rand) string {
	switch at := rng.Float64(); {
	case at < c.pass:
		return "pass"
	case at < c.pass+c.none:
		return "none"
	}
	// What records say at their end of clients that are not in them.
	switch at := rng.Float64(); {
	case at < 0.6:
		return "softfail"
	case at < 0.9:
		return "fail"
	}
	return "neutral"
}
