package main

import (
	"context"
	"io"
)

// input is standard input. Its reads, which may wait for ever, end with the context: the error is
// then the context's.
type input struct {
	ctx context.Context
	io.Reader
}

func (i input) Read(b []byte) (int, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data := make([]byte, len(b)) // b belongs to the caller again if the context ends
		n, err := i.Reader.Read(data)
		done <- result{data[:n], err}
	}()
	select {
	case r := <-done:
		return copy(b, r.data), r.err
	case <-i.ctx.Done():
		return 0, i.ctx.Err()
	}
}
