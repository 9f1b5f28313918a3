package config

import (
	"strings"
	"sync"

	"greyglass/contrib"
	"greyglass/greylist/rules"
)

// knownSenders is the name by which conditions refer to the list of clients that the
// program has built in.
const knownSenders = "known-senders"

// knownSendersList is that list.
var knownSendersList = sync.OnceValue(func() *rules.List {
	list, err := rules.ParseList(strings.NewReader(contrib.KnownSenders), rules.ListFile{Kind: rules.ClientList, File: knownSenders})
	if err != nil {
		panic(err) // a test reads it
	}
	return list
})
