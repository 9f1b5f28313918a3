package address

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"greyglass/greylist/problem"
)

const (
	// maxListLine is the longest line of a list file, in octets.
	maxListLine = 4096

	// maxListErrors bounds how many bad lines are reported.
	maxListErrors = 20
)

// ParseList reads a list file of patterns; see [ParseLines].
func ParseList(r io.Reader, name string, whose Whose) (Patterns, error) {
	var p Patterns
	if err := ParseLines(r, name, func(line string) error { return p.Add(line, whose) }); err != nil {
		return Patterns{}, err
	}
	return p, nil
}

// ParseLines reads a list file and calls add with each entry, one a line. It
// ignores empty lines and lines that begin with "#". Its error joins a
// [*problem.Error] for each bad line, with its file and line.
func ParseLines(r io.Reader, name string, add func(line string) error) error {
	var errs []error
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 1024), maxListLine)
	n := 0
	bad := func(line int, err error) { errs = append(errs, problem.At(fmt.Sprintf("%s:%d", name, line), err)) }
	for lines.Scan() {
		if len(errs) == maxListErrors {
			bad(n+1, errors.New("further lines were not read"))
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
			bad(n, errors.New("not UTF-8 text"))
		} else if err := add(line); err != nil {
			bad(n, err)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		bad(n+1, fmt.Errorf("longer than %d octets", maxListLine))
	} else if err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", name, err))
	}
	return errors.Join(errs...)
}
