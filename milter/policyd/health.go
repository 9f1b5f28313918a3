package policyd

import (
	"context"
	"net"

	"greyglass/milter/listen"
)

// CheckHealth reports whether the policy service at an address is alive; see
// [listen.CheckHealth]. It sends a state at which nothing is judged.
func CheckHealth(ctx context.Context, at net.Addr) error {
	return listen.CheckHealth(ctx, at, "request=smtpd_access_policy\nprotocol_state=CONNECT\n\n", "")
}
