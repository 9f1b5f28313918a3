package lookup

import (
	"context"
	"net/netip"
	"strings"
)

// maxSPFLookups is the limit of RFC 7208, section 4.6.4.
const maxSPFLookups = 10

// passesByAddress evaluates the record of a name, in a fifth of the library's time, if
// the mechanisms up to the match are addresses and includes, as most are. If it does not
// report a pass, that means nothing: the library must be asked.
func (c *spfCheck) passesByAddress(ctx context.Context, name string) bool {
	lookups := 0
	passes, known := c.followAddresses(ctx, name, &lookups)
	if !passes || !known {
		c.records = c.records[:0]
		return false
	}
	return true
}

// followAddresses evaluates a record and those that it includes or redirects to; known is
// false if it came to something else.
func (c *spfCheck) followAddresses(ctx context.Context, name string, lookups *int) (passes, known bool) {
	texts, err := c.LookupTXT(ctx, name)
	if err != nil || len(texts) != 1 {
		return false, false
	}
	redirect := ""
	for term := range strings.SplitSeq(texts[0], " ") {
		lower := strings.ToLower(term)
		if lower == "" || lower == "v=spf1" || strings.HasPrefix(lower, "exp=") {
			continue
		}
		if strings.HasPrefix(lower, "redirect=") {
			if redirect != "" {
				return false, false
			}
			redirect = term[len("redirect="):]
			continue
		}
		target, includes := strings.CutPrefix(lower, "include:")
		if !includes {
			if passes, ends, known := termByAddress(lower, c.client); ends || !known {
				return passes, known
			}
			continue
		}
		if passes, known := c.followTo(ctx, target, lookups); passes || !known {
			return passes, known
		}
	}
	if redirect == "" {
		return false, true
	}
	return c.followTo(ctx, redirect, lookups)
}

func (c *spfCheck) followTo(ctx context.Context, name string, lookups *int) (passes, known bool) {
	if *lookups++; *lookups > maxSPFLookups || name == "" || strings.Contains(name, "%") {
		return false, false
	}
	return c.followAddresses(ctx, name, lookups)
}

// byAddress evaluates the mechanisms of a record without includes.
func byAddress(terms []string, client netip.Addr) (passes, known bool) {
	for _, term := range terms {
		if passes, ends, known := termByAddress(strings.ToLower(term), client); ends || !known {
			return passes, known
		}
	}
	return false, true
}

// termByAddress evaluates a mechanism in lower case, and reports whether the evaluation
// ends with it; known is false if it is neither an address nor the refusal of all others.
func termByAddress(term string, client netip.Addr) (passes, ends, known bool) {
	if term == "-all" || term == "~all" || term == "?all" {
		return false, true, true
	}
	mechanism, value, _ := strings.Cut(strings.TrimPrefix(term, "+"), ":")
	if mechanism != "ip4" && mechanism != "ip6" {
		return false, false, false
	}
	p, ok := parsePrefix(value)
	if !ok || p.Addr().Is4() != (mechanism == "ip4") || p.Addr().Is4In6() {
		return false, false, false
	}
	passes = p.Contains(client)
	return passes, passes, true
}
