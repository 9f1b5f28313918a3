package maillog

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// maxLine is the longest line that is read, in octets. Mail servers and syslog daemons
// write at most a few thousand.
const maxLine = 64 << 10

// source is a file that is being read.
type source struct {
	name   string
	counts *Counts
	future int64 // no line is from this time or later
	calendar
	line line

	closer  io.Closer
	in      *bufio.Reader
	journal bool // in the journal's export format
}

// openSource begins to read a file.
func (l *Logs) openSource(name string) (*source, error) {
	s := &source{name: name, counts: &l.Counts, future: l.Now + day, calendar: calendar{zone: l.Zone, latest: l.Now}}
	if s.zone == nil {
		s.zone = time.UTC
	}
	var in io.Reader
	if name == "-" {
		in = l.Stdin
	} else {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		s.closer, in = f, f
		if info, err := f.Stat(); err == nil {
			s.latest = min(l.Now, info.ModTime().Unix())
		}
	}
	s.in = bufio.NewReaderSize(&counted{in, &l.Counts.Bytes}, maxLine)
	if magic, _ := s.in.Peek(2); string(magic) == "\x1f\x8b" {
		z, err := gzip.NewReader(s.in)
		if err != nil {
			s.damaged(err)
			s.in = bufio.NewReader(bytes.NewReader(nil))
			return s, nil
		}
		if !z.ModTime.IsZero() {
			s.latest = min(s.latest, z.ModTime.Unix()) // when the log was compressed
		}
		s.in = bufio.NewReaderSize(z, maxLine)
	}
	begin, _ := s.in.Peek(len("__REALTIME_TIMESTAMP="))
	s.journal = bytes.HasPrefix(begin, []byte("__CURSOR=")) || bytes.HasPrefix(begin, []byte("__REALTIME_TIMESTAMP="))
	return s, nil
}

func (s *source) close() {
	if s.closer != nil {
		_ = s.closer.Close()
	}
}

// next reads the next line that has a time. It returns false at the end.
func (s *source) next() bool {
	for {
		var ok bool
		var err error
		if s.journal {
			ok, err = s.nextEntry()
		} else {
			ok, err = s.nextLine()
		}
		if err != nil {
			return false
		}
		if !ok {
			continue
		}
		if s.line.at >= s.future {
			s.counts.Future++
			continue
		}
		return true
	}
}

// nextLine reads a line of text. ok is false if it has no time.
func (s *source) nextLine() (ok bool, err error) {
	b, err := s.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		s.counts.Lines++
		s.counts.Long++
		return false, s.ended(s.skipLine(err))
	}
	if len(b) == 0 {
		return false, s.ended(err)
	}
	s.counts.Lines++
	if err != nil && !errors.Is(err, io.EOF) {
		return false, s.ended(err) // a line that is cut off
	}
	if s.line, ok = s.parseLine(bytes.TrimRight(b, "\r\n")); !ok {
		s.counts.Other++
	}
	return ok, nil
}

// ended notes why a file ended, if not as it should.
func (s *source) ended(err error) error {
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, context.Canceled) {
		s.damaged(err)
	}
	return err
}

func (s *source) damaged(err error) {
	s.counts.Damaged = append(s.counts.Damaged, fmt.Sprintf("%s: %v", s.name, err))
}

// counted counts what is read.
type counted struct {
	io.Reader
	n *int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	*c.n += int64(n)
	return n, err
}
