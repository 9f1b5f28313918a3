// Package greylist is the domain of Greyglass: an [Attempt] of a client to reach a
// recipient, what is remembered of it (an [Entry] of a [Triplet] in a [Store]) and
// what the greylist therefore decides ([Windows.Decide]).
//
// It is pure: no SQL, no wire protocol, no goroutine, no log, and no decision reads
// the clock: "now" is passed in, in whole Unix seconds. What it is built on and
// what builds on it, in the order in which they import each other:
//
//	address  how addresses, patterns and address prefixes are written and compared
//	greylist this package
//	rules    what the administrator's lists say of an attempt
//	clock    the wall clock, and what its steps do to remembered times
//	judge    rules, then greylist, then the answer; the decision log and the counters
//	upkeep   what runs beside the mail: expiry, the row limit, the history
package greylist
