package lookup

import (
	"context"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"blitiri.com.ar/go/spf"
)

// provider finds the record whose mechanism matched, after the check has passed: the last
// record asked for whose own mechanisms pass the client. No record is asked for after a
// match, and each include is finished before the next record is asked for.
func (c *spfCheck) provider(ctx context.Context) (domain, why string) {
	for _, r := range slices.Backward(c.records) {
		passes, by := c.passesAlone(ctx, c.client, r)
		if !passes {
			continue
		}
		domain, why = c.providerOf(r), c.reachedBy(ctx, r)
		if by == spf.ErrMatchedAll {
			return "", why
		}
		if by == spf.ErrMatchedExists {
			if all, _ := c.passesAlone(ctx, elsewhere(c.client), r); all {
				return "", why
			}
		}
		return domain, why
	}
	return "", "a record that could not be read again"
}

// providerOf returns the registered domain of a record; "" if its records cover too much.
func (c *spfCheck) providerOf(r record) string {
	domain := RegisteredDomain(r.name)
	if c.catchesAll(domain) {
		return ""
	}
	return domain
}

// passesAlone evaluates the mechanisms of a record without its includes.
func (c *spfCheck) passesAlone(ctx context.Context, client netip.Addr, r record) (bool, error) {
	terms := ownTerms(r.text)
	result, by := c.evaluate(ctx, client, alone{c, record{r.name, "v=spf1 " + strings.Join(terms, " ")}})
	return result == spf.Pass, by
}

// alone is a resolver that has one SPF record, for every domain.
type alone struct {
	*spfCheck
	record record
}

// LookupTXT implements spf.DNSResolver.
func (a alone) LookupTXT(_ context.Context, name string) ([]string, error) {
	switch name {
	case a.record.name:
		return []string{a.record.text}, nil
	case a.domain:
		return []string{"v=spf1 redirect=" + a.record.name}, nil
	}
	return nil, notFound(name)
}

// ownTerms returns the mechanisms of a record without "include" and modifiers.
func ownTerms(text string) []string {
	return slices.DeleteFunc(strings.Fields(text), func(term string) bool {
		lower := strings.ToLower(strings.TrimLeft(term, "+-~?"))
		return strings.HasPrefix(lower, "include:") || isModifier(lower)
	})
}

// isModifier reports whether a term is a modifier: its name ends with "=" (RFC 7208,
// section 4.6.1).
func isModifier(term string) bool {
	i := strings.IndexAny(term, "=:/")
	return i >= 0 && term[i] == '='
}

// reachedBy describes how the record was reached; for the sender's own, which mechanism
// matched.
func (c *spfCheck) reachedBy(ctx context.Context, r record) string {
	if r.name != c.domain {
		return c.reference(r)
	}
	for _, term := range ownTerms(r.text) {
		if passes, _ := c.passesAlone(ctx, c.client, record{r.name, "v=spf1 " + term}); passes {
			return printable(term)
		}
	}
	return "its record"
}

// reference is the term by which another record led to this one.
func (c *spfCheck) reference(r record) string {
	for _, other := range c.records {
		if strings.Contains(strings.ToLower(other.text)+" ", " redirect="+r.name+" ") {
			return printable("redirect=" + r.name)
		}
	}
	return printable("include:" + r.name)
}

// catchesAll reports whether the records of a registered domain that were asked for cover
// too much to identify a provider: more than a /8 of IPv4, or more than a /8 of the IPv6
// addresses in use (2000::/3).
func (c *spfCheck) catchesAll(domain string) bool {
	var four, six []netip.Prefix
	size4, size6 := 0.0, 0.0 // number of addresses of mechanisms with host names
	for _, r := range c.records {
		if RegisteredDomain(r.name) != domain {
			continue
		}
		for _, term := range ownTerms(r.text) {
			if strings.ContainsAny(term[:1], "-~?") {
				continue
			}
			name, value, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(term, "+")), ":")
			switch mechanism, lengths, _ := strings.Cut(name, "/"); mechanism {
			case "all":
				return true
			case "ip4", "ip6":
				if p, ok := parsePrefix(value); ok && p.Addr().Is4() {
					four = append(four, p)
				} else if ok {
					six = append(six, p)
				}
			case "a", "mx":
				if value != "" {
					_, lengths, _ = strings.Cut(value, "/")
				}
				v4, v6, _ := strings.Cut(lengths, "/")
				size4 += addresses(v4, 32)
				size6 += addresses(strings.TrimPrefix(v6, "/"), 128)
			}
		}
	}
	return size4+covered(four) > math.Exp2(32-8) || size6+covered(six) > math.Exp2(128-3-8)
}

func parsePrefix(s string) (netip.Prefix, bool) {
	if !strings.Contains(s, "/") {
		addr, err := netip.ParseAddr(s)
		return netip.PrefixFrom(addr, addr.BitLen()), err == nil
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err == nil
}

// addresses returns the number of addresses in a prefix of a length.
func addresses(length string, bits int) float64 {
	n, err := strconv.Atoi(length)
	if err != nil {
		return 1
	}
	return math.Exp2(float64(bits - n))
}

// covered returns how many addresses the prefixes, of one family, cover together.
func covered(prefixes []netip.Prefix) (n float64) {
	slices.SortFunc(prefixes, netip.Prefix.Compare)
	var last netip.Prefix
	for _, p := range prefixes {
		if last.IsValid() && last.Overlaps(p) {
			continue // sorted: the first of two overlapping prefixes contains the other
		}
		last = p
		n += math.Exp2(float64(p.Addr().BitLen() - p.Bits()))
	}
	return n
}

// elsewhere returns a public address far from the client's. If "exists" matches for both,
// it matches for all.
func elsewhere(client netip.Addr) netip.Addr {
	b := client.AsSlice()
	for {
		for i := range b {
			b[i] += byte(97 + 14*i)
		}
		if client.Is6() {
			b[0] = 0x20 | b[0]&0x1f
		}
		if addr, _ := netip.AddrFromSlice(b); addr.IsGlobalUnicast() && !addr.IsPrivate() {
			return addr
		}
	}
}
