package address

import (
	"strings"
	"testing"
)

func TestNormalize(t *testing.T) {
	const hex32 = "0123456789abcdef0123456789abcdef"
	for _, c := range []struct{ name, in, want string }{
		{"Amazon SES", "0100018f2c3d4e5f-9a8b7c6d-1234-abcd-000000@bounces.example.com", "*@bounces.example.com"},
		{"Amazon SES, as long as it is today", "0100018f2c3d4e5f-9a8b7c6d-1234-abcd-9876-0123456789ab-000000@eu-west-1.amazonses.com", "*@eu-west-1.amazonses.com"},
		{"SendGrid", "bounces+1234567-ac0b-user=example.jp@em123.example.com", "bounces@em123.example.com"},
		{"Mailchimp", "bounce-mc.us12_48108381.152121-user=example.org@mail130.atl21.rsgsv.net", "bounce-mc@rsgsv.net"},
		{"Mailchimp below a country's suffix", "bounce-mc.us12_48108381.152121-user=example.org@mail1.example.co.uk", "bounce-mc@example.co.uk"},
		{"Mandrill", "bounce-md_30504962.669fdf8f.v1-" + hex32 + "@bounce.example.com", "bounce-md@bounce.example.com"},
		{"SparkPost", "msprvs1=19723abc=bounces-1898-1322@sparkpost.example.com", "bounces@sparkpost.example.com"},
		{"many forms", "x" + strings.Repeat("-1-b=c.d", maxNested) + "@example.net", "x@example.net"},
		{"too many forms", "x" + strings.Repeat("-1-b=c.d", maxNested+1) + "@example.net", "x" + strings.Repeat("-1-b=c.d", maxNested+1) + "@example.net"},
		{"BATV", "prvs=1234abcdef=ann@example.net", "ann@example.net"},
		{"BATV, the tag last", "prvs=ann=1234abcdef@example.net", "ann@example.net"},
		{"BATV, a local part like a tag", "prvs=1234abcdef=5678abcdef@example.net", "5678abcdef@example.net"},
		{"Barracuda", "btv1==0987abc==ann@example.net", "ann@example.net"},
		{"SRS0", "srs0=pxzo=ox=example.net=ann@forwarder.example", "srs=example.net=ann@forwarder.example"},
		{"SRS0, another separator", "srs0+px/o=ox=example.net=ann@forwarder.example", "srs=example.net=ann@forwarder.example"},
		{"SRS1", "srs1=xxxx=first.example==hhh=tt=example.net=ann@forwarder.example", "srs=example.net=ann@forwarder.example"},
		{"SRS1, another separator", "srs1=xxxx=first.example=-hhh=tt=example.net=ann@forwarder.example", "srs=example.net=ann@forwarder.example"},
		{"ezmlm", "list-return-123-user=example.org@lists.example", "list-return@lists.example"},
		{"ezmlm, a number alone", "list-return-123@lists.example", "list-return@lists.example"},
		{"Mailman", "list-bounces+user=example.org@lists.example", "list-bounces@lists.example"},
		{"Majordomo", "owner-list@lists.example", "owner-list@lists.example"},
		{"VERP without a number", "my-list-bounces-first-last=example.org@lists.example", "my-list-bounces@lists.example"},
		{"VERP by its number", "news-2007-first-last=mx.example.org@example.net", "news@example.net"},
		{"message numbers", "bounce-12345_html-6789-10-0@bounce.example.net", "bounce@bounce.example.net"},
		{"a plus address", "ann+tag@example.net", "ann@example.net"},
		{"two tags", "ann+tag+more@example.net", "ann@example.net"},
		{"Gmail's forwarding", "ann+caf_=bob=example.org@gmail.com", "ann@gmail.com"},
		{"Microsoft 365's forwarding", "bounces+srs=abcde=ox@example.com", "bounces@example.com"},

		{"SRS around VERP around a plus address", "srs0=pxzo=ox=lists.example=list-return-123-user+tag=example.org@forwarder.example", "srs=lists.example=list-return@forwarder.example"},
		{"SRS1 around a plus address", "srs1=xxxx=first.example==hhh=tt=example.net=ann+tag@forwarder.example", "srs=example.net=ann@forwarder.example"},
		{"SRS around BATV", "srs0=pxzo=ox=example.net=prvs=1234abcdef=ann@forwarder.example", "srs=example.net=ann@forwarder.example"},
		{"SRS around SES", "srs0=pxzo=ox=bounces.example.com=0100018f2c3d4e5f-9a8b7c6d-1234-abcd-000000@forwarder.example", "srs=bounces.example.com=*@forwarder.example"},
		{"SRS around Mailchimp", "srs0=pxzo=ox=mail130.atl21.rsgsv.net=bounce-mc.us12_1.2-user=example.org@forwarder.example", "srs=rsgsv.net=bounce-mc@forwarder.example"},
		{"SRS around SRS", "srs0=aaaa=bb=first.example=srs0=pxzo=ox=example.net=ann+tag@forwarder.example", "srs=first.example=srs=example.net=ann@forwarder.example"},
		{"SRS around an ordinary address", "srs0=pxzo=ox=example.net=x-men@forwarder.example", "srs=example.net=x-men@forwarder.example"},
		{"BATV around SRS", "prvs=1234abcdef=srs0=pxzo=ox=example.net=ann@forwarder.example", "srs=example.net=ann@forwarder.example"},
		{"BATV around a plus address", "prvs=1234abcdef=ann+tag@example.net", "ann@example.net"},

		{"longer than SMTP allows", "list-return-123-" + strings.Repeat("user", 80) + "=example.org@lists.example", "list-return@lists.example"},
		{"longer than SMTP allows, and not folded", "<List-Return-123-" + strings.Repeat("User", 80) + "=example.org@Lists.Example>", "list-return@lists.example"},
		{"longer than SMTP allows, of a long domain", "bounce-mc.us1_1.2-user=example.org@" + strings.Repeat("mail.", 70) + "rsgsv.net", "bounce-mc@rsgsv.net"},

		{"hexadecimal digits", "deadbeef@example.net", ""},
		{"a digit", "a1@example.net", ""},
		{"another digit", "a2@example.net", ""},
		{"digits", "2007@example.net", ""},
		{"a hyphen", "x-men@example.net", ""},
		{"a number behind a hyphen", "web-2@example.net", ""},
		{"a number that is no message's", "order-4711@example.net", ""},
		{"a birthday", "ann.1984@example.net", ""},
		{"the word alone", "bounces@example.net", ""},
		{"the word within another", "trampolinebounce-1@example.net", ""},
		{"the word before another", "bounce-team@example.net", ""},
		{"the word before hexadecimal letters", "bounce-deadbeef@example.net", ""},
		{"a user of another domain", "user=example.org@example.net", ""},
		{"a UUID", "123e4567-e89b-12d3-a456-426614174000@example.net", ""},
		{"nothing before the plus", "+tag@example.net", ""},
		{"nothing but the tag", "prvs=1234abcdef@example.net", ""},
		{"no tag", "prvs=ann=bob@example.net", ""},
		{"no time", "srs0=pxzo=example.net=ann@forwarder.example", ""},
		{"no domain", "srs0=pxzo=ox=example=ann@forwarder.example", ""},
		{"quoted", `"ann bee+tag"@example.net`, ""},
		{"without a domain", "ann+tag", ""},
		{"the null sender", NullSender, ""},
		{"an empty local part", `""@example.net`, ""},
		{"an address as domain", "ann+tag@[192.0.2.7]", "ann@[192.0.2.7]"},
		{"Mailchimp's form at an address", "bounce-mc.us1_1.2@[192.0.2.7]", "bounce-mc@[192.0.2.7]"},
	} {
		if c.want == "" {
			c.want = c.in
		}
		if got := Normalize(c.in); got != c.want {
			t.Errorf("%s: %s becomes %s; want %s", c.name, c.in, got, c.want)
		}
		checkNormalized(t, c.in)
	}
}

// checkNormalized: normalizing twice is normalizing once, the result is folded, and the
// registered domain is the sender's, unless no such domain can exist.
func checkNormalized(t *testing.T, sender string) {
	t.Helper()
	folded := Fold(sender)
	got := Normalize(sender)
	if short := Normalize(folded); len(foldWhole(sender, Domain)) <= maxAddress && short != got {
		t.Errorf("%q becomes %q, and folded %q", sender, got, short)
	}
	if again := Normalize(got); again != got {
		t.Errorf("%q becomes %q, and that %q", folded, got, again)
	}
	if again := Fold(got); again != got {
		t.Errorf("%q becomes %q, which folds to %q", folded, got, again)
	}
	_, before, had := Cut(foldWhole(sender, Domain))
	_, after, has := Cut(got)
	if had != has || len(before) <= maxDomain && (RegisteredDomain(before) != RegisteredDomain(after) || RegisteredDomain(before) == "" && before != after) {
		t.Errorf("%q becomes %q, of another registered domain", folded, got)
	}
}

func FuzzNormalize(f *testing.F) {
	f.Fuzz(checkNormalized)
}

func BenchmarkNormalize(b *testing.B) {
	for name, sender := range map[string]string{"ordinary": "jane@example.com", "digit": "jane.1984@example.com", "verp": "list-return-123-user=example.org@lists.example"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Normalize(sender)
			}
		})
	}
}
