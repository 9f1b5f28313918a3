package greylist

import (
	"cmp"
	"slices"
)

// Hour is the length of an hour of a [History], in seconds. It begins with a
// whole hour of UTC.
const Hour = 3600

// HourOf returns the beginning of the hour that a time, in Unix seconds, is in.
func HourOf(unix int64) int64 { return unix - ((unix%Hour)+Hour)%Hour }

// History counts what happened in each hour, for reports. No verdict depends on it.
type History struct {
	Answered []Answered
	Returned []Returned
	Used     []Used

	// Batch is set in a history that is to be recorded.
	Batch Batch
}

// Batch numbers the batches that a daemon records, so that one can be sent again if it is
// not known whether it was recorded: a store ignores a batch whose number is not greater
// than the last one of that daemon. The zero Batch is always recorded.
type Batch struct {
	Daemon string // different at each start
	Number int64
}

// Answered counts the answers of one kind that were given in an hour.
type Answered struct {
	Hour    int64 // its beginning, in Unix seconds
	Via     string
	Verdict Verdict
	Reason  Reason
	Count   int64
}

// Returned counts triplets that were retried and passed ([ReasonNowGrey]), by the
// hour in which their wait began. The others deferred in that hour never came back,
// or may still do.
type Returned struct {
	Hour   int64 // the beginning of that hour, in Unix seconds
	Within int64 // seconds: the smallest of [Delays] that the wait did not exceed
	Count  int64
}

// Used says when an entry of a list was last used. It stays when the counts expire.
type Used struct {
	List, Entry string
	At          int64 // Unix seconds
}

// Delays are the buckets of waiting times, in seconds. They are fine where mail
// servers usually retry. The last is longer than any time that can be configured.
var Delays = []int64{
	5, 10, 20, 30, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1500, 1800, 2400, 3000,
	3600, 3900, 4200, 4500, 4800, 5400, 6300, 7200, 9000, 10800, 14400, 18000, 21600, 25200, 28800,
	43200, 86400, 172800, 345600, 864000, 2592000, 4_000_000_000,
}

// DelayWithin returns the index of the smallest of [Delays] that is not exceeded.
func DelayWithin(seconds int64) int {
	i, _ := slices.BinarySearch(Delays, seconds)
	return min(i, len(Delays)-1)
}

// Empty reports whether there is nothing in it.
func (h History) Empty() bool {
	return len(h.Answered) == 0 && len(h.Returned) == 0 && len(h.Used) == 0
}

// Sort sorts the counts by hour, then by name, and the entries by name.
func (h History) Sort() {
	slices.SortFunc(h.Answered, func(a, b Answered) int {
		return cmp.Or(cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Via, b.Via),
			cmp.Compare(a.Verdict, b.Verdict), cmp.Compare(a.Reason, b.Reason))
	})
	slices.SortFunc(h.Returned, func(a, b Returned) int {
		return cmp.Or(cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Within, b.Within))
	})
	slices.SortFunc(h.Used, func(a, b Used) int { return cmp.Or(cmp.Compare(a.List, b.List), cmp.Compare(a.Entry, b.Entry)) })
}
