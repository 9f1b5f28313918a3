package policyd

import (
	"bytes"
	"io"

	"greyglass/milter/listen"
)

// nextRequest returns the next request of a connection, with the empty line that ends
// it. The error is io.EOF at the regular end of the connection, and wraps errRequest for
// a malformed request.
func nextRequest(c *listen.Conn) ([]byte, error) {
	for scanned := 0; ; {
		waiting := c.Buffered()
		if size, whole := requestEnd(waiting, scanned); whole {
			return c.Take(size), nil
		}
		scanned = len(waiting)
		if limit := c.Limits().Request; scanned >= limit {
			return nil, badRequest("more than %d octets", limit)
		}
		switch err := c.Fill(scanned + 1); {
		case err == io.ErrUnexpectedEOF: // truncated, it could name another recipient
			return nil, badRequest("the last one does not end with an empty line")
		case err != nil:
			return nil, err
		}
	}
}

// requestEnd finds the empty line that ends a request, given how many octets were
// searched before. It returns the size of the request with that line.
func requestEnd(text []byte, scanned int) (size int, found bool) {
	for at := scanned; ; {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			return 0, false
		}
		at += i + 1
		line := bytes.TrimSuffix(text[:at-1], []byte{'\r'})
		if len(line) == 0 || line[len(line)-1] == '\n' {
			return at, true
		}
	}
}
