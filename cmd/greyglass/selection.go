package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"greyglass/greylist"
	"greyglass/greylist/address"
)

// selection selects triplets by patterns, as people look for mail: by a sender, a
// recipient, perhaps a domain.
type selection struct {
	client, sender, recipient, domain string // as given; empty: any

	clients             netip.Prefix
	senders, recipients address.Patterns
	domains             address.Patterns
}

func (s *selection) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.client, "client", "", "only this client: an `ADDRESS` or a network, such as 192.0.2.0/24")
	flags.StringVar(&s.sender, "sender", "", "only this envelope sender: an `ADDRESS`, @DOMAIN, @*.DOMAIN for subdomains, or '<>'")
	flags.StringVar(&s.recipient, "recipient", "", "only this envelope recipient: an `ADDRESS`, a local part, @DOMAIN or @*.DOMAIN")
	flags.StringVar(&s.domain, "domain", "", "only mail from or to this `DOMAIN` and its subdomains")
}

// parse checks the patterns. A pattern that can match nothing is an error.
func (s *selection) parse(cmd *cobra.Command) error {
	problem := func(flag string, err error) error {
		return &usageError{fmt.Errorf("--%s: %w", flag, err), cmd.CommandPath()}
	}
	if s.client != "" {
		var err error
		if s.clients, err = address.ParsePrefix(s.client); err != nil {
			return problem("client", err)
		}
	}
	if s.sender != "" {
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
	if s.client != "" {
		addr, err := address.ParseIP(strings.Split(t.Client, "/")[0])
		if err != nil || !s.clients.Contains(addr) {
			return false
		}
	}
	if _, ok := s.senders.Match(t.Sender); s.sender != "" && !ok {
		return false
	}
	if _, ok := s.recipients.Match(t.Recipient); s.recipient != "" && !ok {
		return false
	}
	return s.domain == "" || s.inDomain(t.Sender) || s.inDomain(t.Recipient)
}

func (s *selection) inDomain(folded string) bool {
	_, domain, ok := address.Cut(folded)
	if !ok {
		return false
	}
	_, ok = s.domains.MatchDomain(domain)
	return ok
}
