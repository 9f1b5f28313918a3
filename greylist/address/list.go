package address

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	// maxListLine is the longest line of a list file, in octets.
	maxListLine = 4096

	// maxListErrors bounds how many bad lines are told of: a file that is no list
	// at all has as many as it has lines.
	maxListErrors = 20
)

// ParseList reads a list file of patterns; see [ParseLines].
func ParseList(r io.Reader, name string, whose Whose) (Patterns, error) {
	var p Patterns
	if err := ParseLines(r, name, func(line string) error { return p.add(line, whose) }); err != nil {
		return Patterns{}, err
	}
	return p, nil
}

// ParseLines reads a list file: one entry a line, which is handed to add; empty
// lines, and lines that begin with "#", mean nothing. Its error joins a
// [*LineError] for each bad line.
func ParseLines(r io.Reader, name string, add func(line string) error) error {
	var errs []error
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 1024), maxListLine)
	n := 0
	for lines.Scan() {
		if len(errs) == maxListErrors {
			errs = append(errs, &LineError{name, n + 1, errors.New("further lines were not looked at")})
			break
		}
		n++
		line := lines.Text()
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff") // the byte order mark of some editors
		}
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if !utf8.ValidString(line) {
			errs = append(errs, &LineError{name, n, errors.New("not UTF-8 text")})
		} else if err := add(line); err != nil {
			errs = append(errs, &LineError{name, n, err})
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		errs = append(errs, &LineError{name, n + 1, fmt.Errorf("longer than %d octets", maxListLine)})
	} else if err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", name, err))
	}
	return errors.Join(errs...)
}

// LineError is the error of a line of a file.
type LineError struct {
	File string
	Line int // from one
	Err  error
}

// Where is the place, as compilers write it.
func (e *LineError) Where() string { return fmt.Sprintf("%s:%d", e.File, e.Line) }
func (e *LineError) Error() string { return e.Where() + ": " + e.Err.Error() }
func (e *LineError) Unwrap() error { return e.Err }
