package listen

import (
	"context"
	"fmt"
	"net"
	"time"
)

// CheckHealth reports whether the server at an address is alive: it must answer the
// request or close the connection before the context ends. The request must be one that
// is answered without judging or logging.
func CheckHealth(ctx context.Context, at net.Addr, request, goodbye string) error {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, at.Network(), at.String())
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	// An error of writing or reading counts as an answer, unless the time is up.
	_, _ = c.Write([]byte(request))
	var answer [512]byte
	_, _ = c.Read(answer[:])
	_, _ = c.Write([]byte(goodbye))
	if ctx.Err() != nil {
		return fmt.Errorf("health check: no answer from %s: %w", at, ctx.Err())
	}
	return nil
}
