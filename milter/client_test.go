package milter

import (
	"testing"

	"greyglass/greylist"
	"greyglass/milter/mtatest"
)

// The spellings of a client's address. The protocol library ends the session
// for some of them; here each gets its answer.
func TestClientAddresses(t *testing.T) {
	h := newFixture(t)
	for _, c := range []struct {
		family byte
		addr   string
		client string // as it is logged
		reason greylist.Reason
	}{
		{'4', "192.0.2.9", "192.0.2.9", greylist.ReasonNotSeenBefore},
		{'4', "::ffff:192.0.2.10", "192.0.2.10", greylist.ReasonNotSeenBefore},
		{'4', "2001:db8:1::1", "2001:db8:1::1", greylist.ReasonNotSeenBefore}, // the wrong family, but an address
		{'4', "[192.0.2.11]", "192.0.2.11", greylist.ReasonNotSeenBefore},
		{'4', "192.0.2.256", "192.0.2.256", greylist.ReasonError},
		{'4', "", "", greylist.ReasonError},
		{'4', "a\x01b\xff", `a\x01b\xff`, greylist.ReasonError},
		{'6', "2001:DB8:2:0::1", "2001:db8:2::1", greylist.ReasonNotSeenBefore},
		{'6', "IPv6:2001:db8:3::1", "2001:db8:3::1", greylist.ReasonNotSeenBefore},
		{'6', "ipv6:2001:db8:4::1", "2001:db8:4::1", greylist.ReasonNotSeenBefore},
		{'6', "[2001:db8:5::1]", "2001:db8:5::1", greylist.ReasonNotSeenBefore},
		{'6', "[IPv6:2001:db8:6::1]", "2001:db8:6::1", greylist.ReasonNotSeenBefore},
		{'6', "IPv6:[2001:db8:7::1]", "2001:db8:7::1", greylist.ReasonNotSeenBefore},
		{'6', "fe80::1%eth0", "fe80::1", greylist.ReasonNotSeenBefore},
		{'6', "::ffff:192.0.2.12", "192.0.2.12", greylist.ReasonNotSeenBefore},
		{'6', "2001:db8::zz", "2001:db8::zz", greylist.ReasonError},
		{'X', "192.0.2.13", `address of family 'X'`, greylist.ReasonError},
		{0, "", `address of family '\x00'`, greylist.ReasonError},
		{'L', "", "unix:", greylist.ReasonLocal},
		{'L', "/run/client", "unix:/run/client", greylist.ReasonLocal},
		{'U', "", "unknown", greylist.ReasonLocal},
	} {
		m := h.MTA(t)
		m.Connect(c.family, c.addr)
		m.Helo("x")
		m.Mail("a@example.net")
		want := mtatest.Continue
		if c.reason == greylist.ReasonNotSeenBefore {
			want = "451 4.7.1 Greylisted, please try again in 1 hour"
		}
		if got := m.Rcpt("me@example.org"); got != want {
			t.Errorf("family %q, address %q: answer %q", c.family, c.addr, got)
		}
		m.Quit()
		if line := h.Log.Last("decision"); line["client"] != c.client || line["reason"] != string(c.reason) {
			t.Errorf("family %q, address %q: logged %v", c.family, c.addr, line)
		}
	}

	for name, data := range map[string][]byte{
		"unix, nothing more":   append(mtatest.Strings("host"), 'L'),
		"unix, half a port":    append(mtatest.Strings("host"), 'L', 0),
		"IPv4, nothing more":   append(mtatest.Strings("host"), '4'),
		"IPv4 without its end": append(mtatest.Strings("host"), "4\x00\x19192.0.2.77"...),
	} {
		m := h.MTA(t)
		m.Send('C', data...)
		m.Helo("x")
		m.Mail("a@example.net")
		m.Rcpt("me@example.org")
		m.Quit()
		want := map[string]string{
			"unix, nothing more": "local", "unix, half a port": "local",
			"IPv4, nothing more": "error", "IPv4 without its end": "not-seen-before",
		}[name]
		if line := h.Log.Last("decision"); line["reason"] != want {
			t.Errorf("%s: logged %v, want %s", name, line, want)
		}
	}
}
