package rules

import (
	"context"
	"net/netip"
)

// Lookup finds out facts that others have to be asked for. The daemon's is
// internal/lookup, which asks DNS and remembers the answers; replay and explain
// have others, which say what they were told. Its methods are safe for concurrent
// use, and return once the context ends: what is not known then is unknown.
type Lookup interface {
	// SPF is what the sender's domain says about the client (RFC 7208). The null
	// sender, empty or "<>", is checked by the HELO name (section 2.4).
	SPF(ctx context.Context, client netip.Addr, helo, sender string) SPF

	// Listed says whether one of the DNS lists has the client (RFC 5782). The first
	// that has it decides.
	Listed(ctx context.Context, client netip.Addr, zones ...string) Listing

	// Dynamic reports whether a client's forward-confirmed name is empty, or looks
	// like one that a provider gives to the lines of its customers. It asks nobody.
	Dynamic(name string, client netip.Addr) bool
}

// The results of SPF (RFC 7208, section 2.6).
const (
	SPFPass      = "pass"
	SPFFail      = "fail"
	SPFSoftFail  = "softfail"
	SPFNeutral   = "neutral"
	SPFNone      = "none"
	SPFTempError = "temperror" // also whenever something could not be found out
	SPFPermError = "permerror"
)

// SPF is what a sender's domain says about a client.
type SPF struct {
	Result string

	// Provider is, when SPF passes, the registered domain of the record whose
	// mechanism matched the client's address, however deep it is included; empty
	// if that record lets in all the world, or nearly.
	Provider string

	// Why is the record or mechanism that matched, such as
	// include:_spf.example.net, or what went wrong. It is printable.
	Why string
}

// String is the result and why, for people.
func (s SPF) String() string {
	switch s.Result {
	case SPFNone, SPFTempError, SPFPermError:
		return s.Result + ": " + s.Why
	}
	return s.Result + " by " + s.Why
}

// Listed says whether a DNS list has a client.
type Listed string

const (
	InList    Listed = "listed"
	NotInList Listed = "not listed"
	Unknown   Listed = "unknown" // no answer, or none that a list gives
)

// Listing is what DNS lists say about a client.
type Listing struct {
	Status Listed
	Zone   string // the list that has the client, or that could not be asked; else empty
	Why    string // its answer, or what went wrong; printable
}
