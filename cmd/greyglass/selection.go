package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/judge"
)

// selection selects triplets by patterns, as people look for mail: by a sender, a
// recipient, perhaps a domain.
type selection struct {
	client, sender, recipient, domain string // as given; empty: any

	clients             netip.Prefix
	identity            string // spf:DOMAIN or name:DOMAIN, in the place of clients
	senders, recipients address.Patterns
	domains             address.Patterns
}

func (s *selection) flags(cmd *cobra.Command) {
	s.addressFlags(cmd)
	cmd.Flags().StringVar(&s.client, "client", "", "only this client: an `ADDRESS`, a network such as 192.0.2.0/24, or as list shows it")
}

func (s *selection) addressFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.sender, "sender", "", "only this envelope sender: an `ADDRESS`, @DOMAIN, @*.DOMAIN for subdomains, or '<>'")
	flags.StringVar(&s.recipient, "recipient", "", "only this envelope recipient: an `ADDRESS`, a local part, @DOMAIN or @*.DOMAIN")
	flags.StringVar(&s.domain, "domain", "", "only mail from or to this `DOMAIN` and its subdomains")
}

// parse checks the patterns. A pattern that can match nothing is an error.
func (s *selection) parse(cmd *cobra.Command) error {
	problem := func(flag string, err error) error { return usage(cmd, "--%s: %w", flag, err) }
	for _, flag := range []struct{ name, value, fix string }{
		{"client", s.client, "write an address, or a network such as 192.0.2.0/24"}, {"sender", s.sender, "the null sender is written '<>'"},
		{"recipient", s.recipient, "write it as bob@example.org"}, {"domain", s.domain, "write it as example.org"},
	} {
		if cmd.Flags().Changed(flag.name) && strings.TrimSpace(flag.value) == "" {
			return usage(cmd, "--%s is empty; %s", flag.name, flag.fix)
		}
	}
	s.sender, s.recipient = bare(s.sender), bare(s.recipient)
	for _, given := range [][2]string{{"sender", s.sender}, {"recipient", s.recipient}} {
		flag, value := given[0], given[1]
		if strings.Contains(value, ".") && !strings.ContainsAny(value, "@*<>\"") {
			return problem(flag, fmt.Errorf("%q is a domain; write --domain %[1]s, or --%s @%[1]s (or, if it is an address without a domain, --%[2]s '<%[1]s>')", value, flag))
		}
	}
	if s.client != "" {
		client, ok, err := greylist.ParseIdentity(s.client)
		if !ok {
			s.clients, err = address.ParsePrefix(s.client)
		}
		if err != nil {
			return problem("client", err)
		}
		s.identity = client.Identity()
	}
	// A few senders have no domain.
	if inside := strings.TrimSuffix(strings.TrimPrefix(s.sender, "<"), ">"); s.sender != "" && (inside == "" || strings.ContainsAny(inside, "@*<>")) {
		if err := s.senders.Add(s.sender, address.Senders); err != nil {
			return problem("sender", err)
		}
	}
	if s.recipient != "" {
		if err := s.recipients.Add(s.recipient, address.Recipients); err != nil {
			return problem("recipient", err)
		}
	}
	if s.domain != "" {
		if domain := strings.TrimLeft(s.domain, "@*."); domain != s.domain {
			return problem("domain", fmt.Errorf("%q is not a domain; write --domain %s, which has its subdomains too", s.domain, cmp.Or(domain, "example.org")))
		}
		for _, pattern := range []string{s.domain, "*." + s.domain} {
			if err := s.domains.AddDomain(pattern); err != nil {
				return problem("domain", err)
			}
		}
	}
	return nil
}

// matches reports whether a triplet, or the addresses of an attempt, are selected.
func (s *selection) matches(t greylist.Triplet) bool {
	if s.client != "" && !s.isClient(t.Client) {
		return false
	}
	if _, ok := s.senders.Match(t.Sender); s.sender != "" && !ok && t.Sender != address.Fold(s.sender) {
		return false
	}
	if _, ok := s.recipients.Match(t.Recipient); s.recipient != "" && !ok {
		return false
	}
	return s.domain == "" || s.inDomain(t.Sender) || s.inDomain(t.Recipient)
}

// isClient reports whether a client is selected, or, if it is an address prefix, one of its
// addresses may be.
func (s *selection) isClient(client string) bool {
	if s.identity != "" {
		return client == s.identity
	}
	p, err := address.ParsePrefix(client)
	return err == nil && s.clients.Overlaps(p)
}

func (s *selection) inDomain(folded string) bool {
	_, domain, ok := address.Cut(folded)
	if !ok {
		return false
	}
	_, ok = s.domains.MatchDomain(domain)
	return ok
}

// filter is the selection for a store, by what a database can select itself, and by Only.
func (s *selection) filter(p *judge.Policy) (f greylist.Filter) {
	others := *s // those that are left to Only
	if key, err := p.Identity.ParseClientKey(s.client); s.client != "" && err == nil {
		f.Client, others.client = key, ""
	}
	if isAddress(s.sender) || s.sender != "" && !strings.ContainsAny(s.sender, "@*") {
		f.Senders, others.sender = p.SenderForms(s.sender), ""
	}
	if isAddress(s.recipient) {
		f.Recipients, others.recipient = address.Forms(s.recipient), ""
	}
	f.SenderEnds, f.RecipientEnds = endOf(others.sender), endOf(others.recipient)
	if others.recipient != "" && !strings.ContainsAny(s.recipient, "@*") {
		f.RecipientLocal = address.Fold(s.recipient)
	}
	if s.domain != "" {
		f.EitherDomain = endOf("@" + s.domain)[1:]
	}
	if others.client+others.sender+others.recipient+others.domain != "" {
		f.Only = func(r greylist.Record) bool { return others.matches(r.Triplet) }
	}
	return f
}

// isAddress reports whether a pattern is of one address.
func isAddress(pattern string) bool {
	local, _, ok := address.Cut(strings.Trim(pattern, "<> "))
	return pattern == address.NullSender || ok && local != "" && local != "*"
}

// endOf returns how all addresses end that a pattern of a domain matches.
func endOf(pattern string) string {
	_, domain, ok := address.Cut(strings.Trim(pattern, "<> "))
	if !ok {
		return ""
	}
	if parent, ok := strings.CutPrefix(domain, "*."); ok {
		return "." + address.Domain(strings.ToLower(parent))
	}
	return "@" + address.Domain(strings.ToLower(domain))
}
