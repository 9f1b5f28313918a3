package forecast

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"greyglass/cmd/greyglass/internal/maillog"
	"greyglass/greylist/rules"
)

// from is a message that was delivered, so many seconds after the begin of the month.
func from(at int64, client, name, sender string) maillog.Mail {
	return maillog.Mail{Time: monthBegins + at, ClientAddress: netip.MustParseAddr(client), ClientName: name, Sender: sender,
		Recipient: "bob@example.org", Outcome: maillog.Delivered, Direction: maillog.Incoming}
}

// judged is the forecast of these messages.
func judged(t *testing.T, c Configuration, all ...maillog.Mail) *Result {
	t.Helper()
	f := newForecast(t, c)
	for _, m := range all {
		f.Add(m)
	}
	return end(t, f)
}

// pooled is mail of a pool of ten servers, a message an hour, of one sender.
func pooled(n int, name string) (all []maillog.Mail) {
	for i := range n {
		all = append(all, from(int64(i)*hour, fmt.Sprintf("192.0.2.%d", i%10+1), name, "ann@example.net"))
	}
	return all
}

// TestRetries: what is deferred passes, or does not, as a sender of its kind retries.
func TestRetries(t *testing.T) {
	const own = "mail.example.net"
	classic, provider := configured(t, "classic"), configured(t, "provider", "greylist.client_identity=provider")
	rejected := from(0, "203.0.113.7", own, "ann@example.net")
	rejected.Outcome = maillog.Rejected
	spam, deferred, inside, unknown := rejected, rejected, rejected, rejected
	spam.Outcome, deferred.Outcome, inside.Direction, unknown.Direction = maillog.Spam, maillog.Deferred, maillog.Internal, maillog.Unknown
	for name, c := range map[string]struct {
		under Configuration
		mail  []maillog.Mail
		want  Outcome
	}{
		"a server": {classic, []maillog.Mail{from(0, "203.0.113.7", own, "ann@example.net"), from(3599, "203.0.113.7", own, "ann@example.net"), from(4801, "203.0.113.7", own, "ann@example.net")},
			Outcome{Delivered: Counts{3, 1, 2, 0}, Passed: 2, Median: 600, P90: 4740}}, // the second one after 10 minutes
		"a bounce": {classic, []maillog.Mail{from(0, "203.0.113.7", own, ""), from(day, "203.0.113.7", own, "")},
			Outcome{Delivered: Counts{2, 1, 1, 0}, Passed: 1, Median: 4650, P90: 4770}},
		"a client without a name": {classic, []maillog.Mail{from(0, "203.0.113.7", "", "ann@example.net"), from(hour, "203.0.113.8", "", "eve@example.net")},
			Outcome{Delivered: Counts{2, 0, 2, 0}, Never: 2}},
		"one that comes on another day": {classic, []maillog.Mail{from(0, "203.0.113.7", "", "ann@example.net"), from(day, "203.0.113.7", "", "ann@example.net"), from(2*day, "203.0.113.7", "", "ann@example.net")},
			Outcome{Delivered: Counts{3, 1, 2, 0}, Passed: 1, Median: 4650, P90: 4770, Never: 1}},
		"a pool, known by its provider": {provider, pooled(20, "smtp.pool.example"),
			Outcome{Delivered: Counts{20, 19, 1, 0}, Passed: 1, Median: 4650, P90: 4770}},
		"refused":    {classic, []maillog.Mail{rejected, spam}, Outcome{Rejected: Counts{2, 0, 2, 0}}},
		"not judged": {classic, []maillog.Mail{deferred, inside, unknown}, Outcome{}},
	} {
		got := judged(t, c.under, c.mail...).Configurations[0]
		c.want.Name = c.under.Name
		if got != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, c.want)
		}
	}
	// Known by its addresses, a pool waits for one of them to come again.
	if got := judged(t, classic, pooled(40, "smtp.pool.example")...).Configurations[0]; got.Passed == 0 || got.P90 < 2*hour {
		t.Errorf("a pool: %+v", got)
	}
}

// TestPools: a pool's mail comes from any of its addresses; a hoster's customers have their
// own, and lines without a name are no site of one sender.
func TestPools(t *testing.T) {
	all := pooled(20, "smtp.pool.example")
	for i := range 20 {
		customer := fmt.Sprintf("customer%d.example", i%5)
		all = append(all, from(20*hour+int64(i), fmt.Sprintf("198.51.100.%d", i%5), "mail."+customer+".hoster.example", "ann@"+customer),
			from(20*hour+int64(i), fmt.Sprintf("203.0.113.%d", i), "", fmt.Sprintf("new@line%d.example", i)))
	}
	want := map[string]Site{
		"pool.example":   {"pool.example", true, 10, 20, 20},
		"hoster.example": {"hoster.example", false, 5, 20, 20},
		"203.0.113.0/24": {"203.0.113.0/24", false, 20, 20, 20},
	}
	for _, s := range judged(t, configured(t, "classic"), all...).Sites {
		if s != want[s.Name] && s.Name != "pool.example" || s.Pool != want[s.Name].Pool || s.Addresses != want[s.Name].Addresses {
			t.Errorf("%+v, want %+v", s, want[s.Name])
		}
		delete(want, s.Name)
	}
	if len(want) > 0 {
		t.Errorf("not there: %v", want)
	}
}

// TestLearned: what was delivered on the days before is known, also where it did not pass.
func TestLearned(t *testing.T) {
	r := judged(t, configured(t, "classic"),
		from(0, "203.0.113.7", "", "ann@example.net"), from(hour-1, "203.0.113.7", "", "ann@example.net"), from(day+1, "203.0.113.7", "", "ann@example.net"))
	if len(r.Days) != 2 || r.Days[0].Learned != 2 || r.Days[1].Learned != 0 || r.Days[1].Deferred["classic"] != 1 {
		t.Errorf("%+v", r.Days)
	}
	if want := (Learn{1, 1, 0}); r.Learn == nil || *r.Learn != want {
		t.Errorf("%+v, want %+v", r.Learn, want)
	}
}

// TestOutgoing: the reply to mail of a user is accepted at once.
func TestOutgoing(t *testing.T) {
	reply := from(60, "203.0.113.7", "mail.example.net", "ann@example.net")
	sent := maillog.Mail{Time: monthBegins, ClientAddress: netip.MustParseAddr("192.0.2.9"), Authenticated: true, Sender: "bob@example.org",
		Recipient: "ann@example.net", Outcome: maillog.Delivered, Direction: maillog.Outgoing}
	r := judged(t, configured(t, "outbound", "learn.outbound=true", `rules.allowed_domains=["example.org"]`), sent, reply)
	if want := (Counts{1, 1, 0, 0}); r.Configurations[0].Delivered != want || r.Inside != 1 {
		t.Errorf("%+v, %d inside", r.Configurations[0], r.Inside)
	}
}

// dns says that SPF fails, and that a list has each client.
type dns struct{ rules.Lookup }

func (dns) SPF(context.Context, netip.Addr, string, string) rules.SPF {
	return rules.SPF{Result: rules.SPFFail}
}

func (dns) Listed(_ context.Context, _ netip.Addr, zones ...string) rules.Listing {
	return rules.Listing{Status: rules.InList, Zone: zones[0]}
}

func (dns) Dynamic(name string, _ netip.Addr) bool { return name == "" }

// TestDNS: it is asked only if that is wanted; else SPF passes for a domain's own servers,
// and no list has a client.
func TestDNS(t *testing.T) {
	spf := configured(t, "spf", "greylist.profile=gentle", `dns.allowlists=["list.dnswl.org"]`)
	mail := from(0, "203.0.113.7", "mail.example.net", "ann@example.net")
	for _, ask := range []bool{false, true} {
		f, err := New(t.Context(), Options{Configurations: []Configuration{spf}, Lookup: dns{}, DNS: ask, Since: monthBegins})
		if err != nil {
			t.Fatal(err)
		}
		f.Add(mail)
		f.Add(from(-1, "203.0.113.7", "", "early@example.net"))
		r := end(t, f)
		if r.Configurations[0].Delivered.Accepted != 1 || r.DNS != ask || r.Configurations[0].Delivered.Messages != 1 {
			t.Errorf("with DNS %v: %+v", ask, r)
		}
	}
	for _, c := range []struct {
		name, sender string
		want         string
	}{
		{"mail.example.net", "ann@lists.example.net", rules.SPFPass}, {"mail.example.net", "ann@example.com", rules.SPFNone}, {"", "ann@example.net", rules.SPFNone},
	} {
		full := newMail(from(0, "203.0.113.7", c.name, c.sender), dns{}.Dynamic)
		if got := (&facts{of: full}).SPF(t.Context(), full.ClientAddress, "", c.sender); got.Result != c.want {
			t.Errorf("%q from %q: %+v, want %s", c.sender, c.name, got, c.want)
		}
		if got := (&facts{of: full, lookup: dns{}, dns: true}).SPF(t.Context(), full.ClientAddress, "", c.sender); got.Result != rules.SPFFail {
			t.Errorf("%q from %q with DNS: %+v", c.sender, c.name, got)
		}
	}
}

// TestPage: it has 80 columns, also for a month, three configurations and long names.
func TestPage(t *testing.T) {
	m := newMonth(3, 3000)
	f := newForecast(t, configured(t, "present"), configured(t, "classic"), configured(t, "gentle", "greylist.profile=gentle"))
	for _, message := range m.messages {
		f.Add(message.Mail)
	}
	r := end(t, f)
	r.Sites[0].Name = strings.Repeat("long", 15) + ".example"
	var page strings.Builder
	r.Print(&page)
	for line := range strings.Lines(page.String()) {
		if len(line) > 81 {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
	for _, want := range []string{"\n3,000 messages were delivered\n", "\nDeferred of what was delivered, by day of UTC", "  a pool\n", "\nWhat the log does not tell\n"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("no %q in\n%s", want, page.String())
		}
	}
}
