// Package greylist is the domain of Greyglass: who knocks (an [Attempt]), what
// the administrator's lists say of them ([Rules]), what is remembered of them
// (an [Entry] in a [Store]) and what they are therefore answered ([Judge]).
//
// It knows no SQL and no wire protocol; those live in the packages sqlstore
// and milter, which import this one. No decision in here reads the clock: "now"
// is passed in, in whole Unix seconds.
package greylist
