// Package greylist is the domain of Greyglass: the [Attempt] of a client to reach a
// recipient, the [Entry] of its [Triplet] in a [Store], and the decision that follows
// ([Windows.Decide]).
//
// It is pure: no SQL, no wire protocol, no goroutine, no log. The time is passed in,
// in whole Unix seconds. The packages, in the order in which they import each other:
//
//	address  how addresses, patterns and address prefixes are written and compared
//	problem  the error of a value that an administrator has written
//	greylist this package
//	rules    the administrator's lists and ordered rules
//	clock    the wall clock, and how its steps are compensated
//	timeout  a context with a timeout
//	judge    rules, then greylist, then the answer; the decision log and the counters
//	upkeep   background work: expiry, the row limit, the history
package greylist
