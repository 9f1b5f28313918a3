package policyd

import (
	"bytes"
	"context"
	"fmt"
	"net"

	"greyglass/milter/listen"
)

// statusKind is the request by which 'greyglass status' asks. No mail server sends it. It
// is answered on unix sockets alone, whose permissions say who may ask.
const statusKind = "greyglass_status"

// status answers a request for the daemon's status; nil if r is none, or may not ask.
func (s *Server) status(c net.Conn, r *request) []byte {
	if r.kind != statusKind || s.Status == nil || c.LocalAddr().Network() != "unix" {
		return nil
	}
	return fmt.Appendf(nil, "status=%s\n\n", s.Status())
}

// AskStatus asks the daemon that listens at a unix socket for its status, as
// [Server.Status] returns it.
func AskStatus(ctx context.Context, to listen.Address) ([]byte, error) {
	answer, err := Ask(ctx, to, "request="+statusKind+"\n\n")
	if err != nil {
		return nil, err
	}
	status, ok := bytes.CutPrefix(answer, []byte("status="))
	if !ok {
		return nil, fmt.Errorf("%s answers %.40q; is an older daemon running?", to, answer)
	}
	return bytes.TrimSpace(status), nil
}
