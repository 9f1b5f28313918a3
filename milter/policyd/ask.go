package policyd

import (
	"context"
	"io"
	"net"
	"time"

	"greyglass/milter/listen"
)

// maxAnswer bounds the answer that Ask reads, in octets.
const maxAnswer = 1 << 20

// Ask sends one request to the policy service at an address, as Exim does: it shuts down
// its side, and the service closes the connection after the answer.
func Ask(ctx context.Context, to listen.Address, request string) (answer []byte, err error) {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, to.Network, to.Addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	if _, err := io.WriteString(c, request); err != nil {
		return nil, err
	}
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	return io.ReadAll(io.LimitReader(c, maxAnswer))
}
