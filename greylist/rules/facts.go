package rules

import (
	"greyglass/greylist"
	"greyglass/greylist/address"
)

// knock is an attempt with its addresses folded, which is done once.
type Facts struct {
	*greylist.Attempt
	Sender, Recipient string
}

func NewFacts(a *greylist.Attempt) *Facts {
	return &Facts{Attempt: a, Sender: address.Fold(a.Sender), Recipient: address.Fold(a.Recipient)}
}
