// Package interrupt lets commands that read standard input be interrupted.
package interrupt

import (
	"context"
	"io"
)

// Reader returns a reader whose reads, which may wait for ever, end with the context. Its
// error is then the context's.
func Reader(ctx context.Context, r io.Reader) io.Reader { return interruptible{ctx, r} }

type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i interruptible) Read(b []byte) (int, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data := make([]byte, len(b)) // b belongs to the caller again if the context ends
		n, err := i.r.Read(data)
		done <- result{data[:n], err}
	}()
	select {
	case r := <-done:
		return copy(b, r.data), r.err
	case <-i.ctx.Done():
		return 0, i.ctx.Err()
	}
}
