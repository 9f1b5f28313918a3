package milter

import (
	"context"
	"net"

	"greyglass/milter/listen"
)

// CheckHealth reports whether the milter at an address is alive; see
// [listen.CheckHealth]. It sends a negotiation of version 6 (SMFIC_OPTNEG).
func CheckHealth(ctx context.Context, at net.Addr) error {
	return listen.CheckHealth(ctx, at, "\x00\x00\x00\x0dO\x00\x00\x00\x06\x00\x00\x01\x00\x00\x00\x00\x00", "\x00\x00\x00\x01Q")
}
