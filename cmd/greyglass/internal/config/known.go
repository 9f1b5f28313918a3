package config

import (
	"strings"
	"sync"

	"greyglass/contrib"
	"greyglass/greylist"
	"greyglass/greylist/rules"
)

// KnownSenders is the name by which conditions refer to the list of clients that the
// program has built in.
const KnownSenders = "known-senders"

// KnownSendersUses notes which of its entries were used.
var KnownSendersUses greylist.Uses

// knownSendersList is that list.
var knownSendersList = sync.OnceValue(func() *rules.List {
	list, err := rules.ParseList(strings.NewReader(contrib.KnownSenders), rules.ListFile{Kind: rules.ClientList, File: KnownSenders})
	if err != nil {
		panic(err) // a test reads it
	}
	list.Uses = &KnownSendersUses
	return list
})
