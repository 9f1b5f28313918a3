package importer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxLine is the longest line, in octets, that can be an entry.
const maxLine = 64 << 10

// open opens the source as a file.
func (im *Import) open() (io.ReadCloser, error) {
	if im.Source == "-" {
		return io.NopCloser(im.Stdin), nil
	}
	return os.Open(im.Source)
}

// eachLine calls f with each line, without its end, and its number. It reads through lines
// that are too long: f gets nil for them.
func eachLine(ctx context.Context, r *bufio.Reader, f func(n int, line []byte)) error {
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := readLine(r)
		if err == nil || line == nil || len(line) > 0 {
			f(n, line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readLine returns the next line without its end; nil if it is too long. A last line
// without an end comes with io.EOF.
func readLine(r *bufio.Reader) (line []byte, err error) {
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			line, long = nil, true
		} else if !long {
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
			line = line[:len(line)-1]
		}
		if line == nil && !long {
			line = []byte{}
		}
		return line, err
	}
}

// at is the place of a line.
func (im *Import) at(n int) string { return fmt.Sprintf("%s:%d", im.Source, n) }

// eachText reads the source, and makes an entry of each line that is no comment.
func (im *Import) eachText(ctx context.Context, yield func(entry), parse func(line string) (entry, bool)) error {
	f, err := im.open()
	if err != nil {
		return err
	}
	defer f.Close()
	return eachLine(ctx, bufio.NewReaderSize(f, maxLine), func(n int, line []byte) {
		if line != nil && (len(line) == 0 || line[0] == '#') {
			return
		}
		e, ok := parse(string(line))
		if !ok {
			e = entry{place: im.at(n)}
		}
		yield(e)
	})
}
