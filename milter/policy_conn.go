package milter

import (
	"bytes"
	"io"
)

// nextRequest returns the next policy request, with the empty line that ends it.
// The error is io.EOF where the peer has ended in good order, and wraps
// errRequest where what it says cannot be a request.
func (c *conn) nextRequest() ([]byte, error) {
	for looked := 0; ; {
		waiting := c.buf[c.pos:c.end]
		if size, whole := requestEnd(waiting, looked); whole {
			c.pos += size
			c.understood()
			return waiting[:size], nil
		}
		looked = len(waiting)
		if limit := c.gate.Limits().Request; looked >= limit {
			return nil, badRequest("more than %d octets", limit)
		}
		switch err := c.fill(looked + 1); {
		case err == io.ErrUnexpectedEOF: // cut short, it could be of somebody else
			return nil, badRequest("the last one does not end with an empty line")
		case err != nil:
			return nil, err
		}
	}
}

// requestEnd finds the empty line that ends a request, of whose text the first
// octets are known not to hold its end. It returns how many octets the request
// has with that line.
func requestEnd(text []byte, looked int) (size int, found bool) {
	for at := looked; ; {
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
