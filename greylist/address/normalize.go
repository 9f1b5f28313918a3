package address

import (
	"regexp"
	"strings"
)

// anyLocal stands for a local part of which nothing stays.
const anyLocal = "*"

// form is a way in which programs write local parts that change with each message or
// recipient.
type form struct {
	pattern *regexp.Regexp // of the whole local part
	stays   string         // the part that stays; $1 and $2 are the groups of the pattern

	// manyHosts says that the domain has the name of one of many hosts, so that only the
	// registered domain stays.
	manyHosts bool
}

// forms are tried in this order. A local part that has one is tried again, because forms
// are nested.
var forms = []form{
	// BATV (draft-levine-smtp-batv): "prvs", a tag, and the address in this order, or in
	// the other. Barracuda and SparkPost have tags of their own.
	{pattern: regexp.MustCompile(`^prvs=\d[0-9a-f]{7,11}=(.+)$`), stays: "$1"},
	{pattern: regexp.MustCompile(`^prvs=(.+)=\d[0-9a-f]{7,11}$`), stays: "$1"},
	{pattern: regexp.MustCompile(`^btv1==[0-9a-f]+==(.+)$`), stays: "$1"},
	{pattern: regexp.MustCompile(`^msprvs1=[^=]+=(.+)$`), stays: "$1"},

	// Amazon SES, Mailchimp, Mandrill.
	{pattern: regexp.MustCompile(`^[0-9a-f]{16}(?:-[0-9a-f]{4,12}){3,5}-\d{6}$`), stays: anyLocal},
	{pattern: regexp.MustCompile(`^(bounce-mc)\.us\d+_\d+\.\d+(?:-.*)?$`), stays: "$1", manyHosts: true},
	{pattern: regexp.MustCompile(`^(bounce-md)_\d+\.[0-9a-f]+\.v\d+-[0-9a-f]{32}$`), stays: "$1"},

	// VERP, with or without a message number: list-return-123-ann=example.org,
	// list-bounces-ann=example.org; and numbers alone, as in bounces-1898-1322.
	{pattern: regexp.MustCompile(`^((?:.*?[-_.])?(?:bounces?|returns?))[-_.=](?:\d+|[0-9a-f]{16,})(?:[-_.=+].*)?$`), stays: "$1"},
	{pattern: regexp.MustCompile(`^((?:.*?[-_.])?(?:bounces?|returns?))-[^=]+=[^=.]+(?:\.[^=.]+)+$`), stays: "$1"},
	{pattern: regexp.MustCompile(`^(.+?)-\d+-[^=]+=[^=.]+(?:\.[^=.]+)+$`), stays: "$1"},

	// Plus addresses, and VERP as Mailman and SendGrid write it.
	{pattern: regexp.MustCompile(`^([^+]+)\+.*$`), stays: "$1"},
}

// srs is SRS0, or SRS1 of one more forwarder: the domain and the local part of the
// address from which the mail was forwarded come after a hash and a time.
var srs = regexp.MustCompile(`^(?:srs0|srs1[-+=][^=]+=[^=]+=)[-+=][^=]+=[a-z2-7]{2}=([^=.]+(?:\.[^=.]+)+)=(.+)$`)

// srsNormalized begins a normalized SRS address: srs=example.net=ann@forwarder.example.
const srsNormalized = "srs="

// Normalize folds a sender, and removes what changes with each message or recipient: VERP,
// SRS, BATV, plus addresses and message numbers. Other addresses stay as they are, also
// those that contain digits, and so does the null sender. The registered domain always
// stays. The result is folded, and normalizes to itself.
func Normalize(sender string) string {
	whole := foldWhole(sender, Domain)
	normalized := normalize(whole)
	if len(whole) <= maxAddress {
		return normalized
	}
	return normalize(fit(normalized)) // what was shortened may have a form, too
}

// Mailbox returns the normalized form of an address that belongs to one mailbox. ok is
// false for the null sender, an address without a domain, one that tells only a domain,
// as those of Amazon SES do, and one that a forwarder has rewritten.
func Mailbox(addr string) (mailbox string, ok bool) {
	mailbox = Normalize(addr)
	local, domain, ok := Cut(mailbox)
	return mailbox, ok && local != "" && local != `""` && domain != "" && local != anyLocal && !strings.HasPrefix(local, srsNormalized)
}

// maxNested is how many forms an address may have, one within the other. Each takes time, and
// those of real senders are two or three.
const maxNested = 8

// normalize is Normalize for a folded sender of any length. One with too many forms stays as
// it is.
func normalize(sender string) string {
	local, domain, ok := Cut(sender)
	if !ok {
		return sender
	}
	for nested := 0; ; nested++ {
		if local == "" || local[0] == '"' || strings.HasPrefix(local, srsNormalized) ||
			!strings.ContainsAny(local, "0123456789+=") || !strings.ContainsAny(local, "-_.+=") { // as no form has
			break
		}
		if m := srs.FindStringSubmatch(local); m != nil {
			before, from, _ := Cut(normalize(m[2] + "@" + m[1]))
			local = srsNormalized + from + "=" + before
			break
		}
		f := formOf(local)
		if f == nil {
			break
		}
		if nested == maxNested {
			return sender
		}
		local = f.pattern.ReplaceAllString(local, f.stays)
		if registered := RegisteredDomain(domain); f.manyHosts && registered != "" {
			domain = registered
		}
	}
	return local + "@" + domain
}

// formOf returns the first form that the local part has, or nil.
func formOf(local string) *form {
	for i := range forms {
		if forms[i].pattern.MatchString(local) {
			return &forms[i]
		}
	}
	return nil
}
