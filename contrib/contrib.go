// Package contrib holds the list of known senders, which conditions can name.
package contrib

import _ "embed"

// KnownSenders is a list of clients, as package rules reads it.
//
//go:embed known-senders.list
var KnownSenders string
