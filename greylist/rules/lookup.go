package rules

import (
	"context"
	"net/netip"
)

// Lookup looks facts up. The daemon's is internal/lookup, which asks DNS and caches
// the answers; replay and explain take the facts from their input. Its methods are safe
// for concurrent use, and return when the context ends: the fact is then unknown.
type Lookup interface {
	// SPF checks the client by the SPF record of the sender's domain (RFC 7208); for the
	// null sender, empty or "<>", by that of the HELO name (section 2.4).
	SPF(ctx context.Context, client netip.Addr, helo, sender string) SPF

	// Listed asks the DNS lists in order whether they have the client (RFC 5782), up to
	// the first that has.
	Listed(ctx context.Context, client netip.Addr, zones ...string) Listing

	// Dynamic reports whether a client's forward-confirmed name is empty, or looks like
	// the name of a home connection. It makes no queries.
	Dynamic(name string, client netip.Addr) bool
}

// The results of SPF (RFC 7208, section 2.6).
const (
	SPFPass      = "pass"
	SPFFail      = "fail"
	SPFSoftFail  = "softfail"
	SPFNeutral   = "neutral"
	SPFNone      = "none"
	SPFTempError = "temperror" // also if a query failed or the time was up
	SPFPermError = "permerror"
)

// SPF is the result of an SPF check.
type SPF struct {
	Result string

	// Provider is, if the result is pass, the registered domain of the (perhaps
	// included) record whose mechanism matched; empty if that record matches nearly all
	// addresses.
	Provider string

	// Why is the record or mechanism that matched, such as include:_spf.example.net, or
	// the error. It is printable.
	Why string
}

// String is the result, with the reason.
func (s SPF) String() string {
	switch s.Result {
	case SPFNone, SPFTempError, SPFPermError:
		return s.Result + ": " + s.Why
	}
	return s.Result + " by " + s.Why
}

// Listed is whether a DNS list has a client.
type Listed string

const (
	InList    Listed = "listed"
	NotInList Listed = "not listed"
	Unknown   Listed = "unknown" // no answer, or not one that DNS lists give
)

// Listing is the answer of DNS lists about a client.
type Listing struct {
	Status Listed
	Zone   string // the list that has the client, or that failed; else empty
	Why    string // its answer, or the error; printable
}
