package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/rules"
)

// replayed is an input line of 'greyglass replay'.
type replayed struct {
	Time      int64  `json:"time"`
	Address   string `json:"client_address"`
	Name      string `json:"client_name"`
	Helo      string `json:"helo_name"`
	Sender    string `json:"sender"`
	Recipient string `json:"recipient"`
	Instance  string `json:"instance"`
	User      string `json:"sasl_username"`
	TLS       bool   `json:"client_tls"`
	Expect    string `json:"expect"`

	SPF      string   `json:"spf"`
	Provider string   `json:"spf_provider"`
	DNSBL    []string `json:"dnsbl"`
	DNSWL    []string `json:"dnswl"`
}

func parseAttempt(line []byte) (*replayed, error) {
	a := &replayed{Time: -1}
	if err := json.Unmarshal(line, a); err != nil {
		return nil, fmt.Errorf("not an attempt in JSON: %w", err)
	}
	switch {
	case a.Time < 0:
		return nil, errors.New("no time, in Unix seconds")
	case a.Recipient == "":
		return nil, errors.New("no recipient")
	case a.SPF != "" && !slices.Contains(rules.SPFResults, a.SPF):
		return nil, fmt.Errorf("spf is never %q; write one of %s", a.SPF, strings.Join(rules.SPFResults, ", "))
	}
	return a, nil
}

// attempt makes the attempt of the line.
func (a *replayed) attempt() greylist.Attempt {
	client := greylist.ParseClient(a.Address)
	if a.Address == "" || a.Address == "local" {
		client = greylist.LocalClient(a.Address)
	}
	name := a.Name
	if name == "unknown" {
		name = ""
	}
	return greylist.Attempt{
		Client: client, ClientName: name, Helo: a.Helo, Sender: a.Sender, Recipient: a.Recipient,
		Authenticated: a.User != "", VerifiedTLS: a.TLS, QueueID: a.Instance, Via: "replay",
	}
}

// replayAnswer is an output line.
type replayAnswer struct {
	Time    int64            `json:"time"`
	Verdict greylist.Verdict `json:"verdict"`
	Reason  greylist.Reason  `json:"reason"`
	Wait    int64            `json:"wait"`
	Client  string           `json:"client,omitempty"`
	Sender  string           `json:"sender,omitempty"`
}

// givenFacts has the facts of an input line. It looks others up by others, unless that
// is nil.
type givenFacts struct {
	given   *replayed
	others  rules.Lookup // nil: nothing is looked up
	dynamic func(name string, client netip.Addr) bool
}

// SPF implements [rules.Lookup].
func (g *givenFacts) SPF(ctx context.Context, client netip.Addr, helo, sender string) rules.SPF {
	switch {
	case g.given.SPF == "" && g.others != nil:
		return g.others.SPF(ctx, client, helo, sender)
	case g.given.SPF == "":
		return rules.SPF{Result: rules.SPFNone, Why: "not looked up"}
	}
	return rules.SPF{Result: g.given.SPF, Provider: address.Domain(g.given.Provider), Why: "as given"}
}

// Listed implements [rules.Lookup].
func (g *givenFacts) Listed(ctx context.Context, client netip.Addr, zones ...string) rules.Listing {
	if g.given.DNSBL == nil && g.given.DNSWL == nil && g.others != nil {
		return g.others.Listed(ctx, client, zones...)
	}
	for _, zone := range zones {
		same := func(given string) bool { return strings.EqualFold(strings.TrimSuffix(given, "."), zone) }
		if slices.ContainsFunc(g.given.DNSBL, same) || slices.ContainsFunc(g.given.DNSWL, same) {
			return rules.Listing{Status: rules.InList, Zone: zone, Why: "as given"}
		}
	}
	return rules.Listing{Status: rules.NotInList, Why: "as given"}
}

// Dynamic implements [rules.Lookup].
func (g *givenFacts) Dynamic(name string, client netip.Addr) bool { return g.dynamic(name, client) }
