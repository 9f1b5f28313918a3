package maillog

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// nextEntry reads an entry of "journalctl --output export": lines "FIELD=VALUE", or
// "FIELD" with the length of a value that is not text, in 8 octets, and the value; an
// empty line ends it (systemd's documentation of the journal export format).
func (s *source) nextEntry() (ok bool, err error) {
	l := line{at: -1}
	s.counts.Lines++
	long, empty := false, true
	for {
		b, err := s.in.ReadSlice('\n')
		if err != nil {
			if len(b) == 0 && empty {
				s.counts.Lines--
				return false, s.ended(err)
			}
			if errors.Is(err, io.EOF) {
				break
			}
			long = true
			if err = s.skipLine(err); err != nil {
				return false, s.ended(err)
			}
			continue
		}
		b = b[:len(b)-1]
		if len(b) == 0 {
			break
		}
		empty = false
		field, value, isText := bytes.Cut(b, []byte("="))
		if !isText {
			name := string(field)
			if value, err = s.binaryValue(); err != nil {
				return false, s.ended(err)
			}
			if value == nil {
				long = true
				continue
			}
			field = []byte(name)
		}
		switch string(field) {
		case "__REALTIME_TIMESTAMP":
			if isNumber(value) {
				l.at = int64(number(value)) / 1_000_000
			}
		case "_HOSTNAME":
			l.host = bytes.Clone(value)
		case "SYSLOG_IDENTIFIER":
			l.program = bytes.Clone(value)
		case "MESSAGE":
			l.text = bytes.Clone(value)
		}
	}
	switch {
	case long && l.text == nil:
		s.counts.Long++
	case l.at < 0 || len(l.program) == 0 || bytes.ContainsAny(l.text, "\n"):
		s.counts.Other++
	default:
		s.line = l
		return true, nil
	}
	return false, nil
}

// skipLine reads to the end of a line that is too long.
func (s *source) skipLine(err error) error {
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = s.in.ReadSlice('\n')
	}
	return err
}

// binaryValue reads a value that is not text; nil if it is too long.
func (s *source) binaryValue() ([]byte, error) {
	var size [8]byte
	if _, err := io.ReadFull(s.in, size[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(size[:])
	if n > maxLine {
		if n > 1<<40 {
			return nil, errors.New("not the journal's export format")
		}
		_, err := io.CopyN(io.Discard, s.in, int64(n)+1)
		return nil, err
	}
	value := make([]byte, n+1) // with the end of the line
	if _, err := io.ReadFull(s.in, value); err != nil {
		return nil, err
	}
	return value[:n], nil
}
