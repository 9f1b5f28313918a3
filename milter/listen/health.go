package listen

import (
	"context"
	"fmt"
	"net"
	"time"
)

// CheckHealth reports whether the server that listens at an address is alive:
// that it answers the request, or closes the connection because it has too many.
// The error says that it did not before the context ended, or that nothing
// listens there. The request is one that is answered without judging, logging or
// remembering anything.
func CheckHealth(ctx context.Context, at net.Addr, request, goodbye string) error {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, at.Network(), at.String())
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	// An error of writing or reading is the other side's answer, unless the time is up.
	_, _ = c.Write([]byte(request))
	var answer [512]byte
	_, _ = c.Read(answer[:])
	_, _ = c.Write([]byte(goodbye))
	if ctx.Err() != nil {
		return fmt.Errorf("health check: no answer from %s: %w", at, ctx.Err())
	}
	return nil
}
