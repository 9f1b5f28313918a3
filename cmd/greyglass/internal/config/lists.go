package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"greyglass/greylist/address"
)

// Lists are the contents of the two list files.
type Lists struct {
	Blocked    address.Patterns // senders
	Exceptions address.Patterns // recipients
}

// ReadLists reads both list files. One that is not there is an empty list, and
// a warning. Its error is a [*Mistakes] that holds every bad line of both.
func ReadLists(c *Config) (lists Lists, warnings []string, err error) {
	mistakes := new(Mistakes)
	for _, l := range []struct {
		key, file string
		whose     address.Whose
		into      *address.Patterns
	}{
		{"blocked.senders_file", c.Blocked.SendersFile, address.Senders, &lists.Blocked},
		{"blocked.exceptions_file", c.Blocked.ExceptionsFile, address.Recipients, &lists.Exceptions},
	} {
		patterns, err := ReadList(l.file, l.whose)
		broken := new(Mistakes)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			warnings = append(warnings, fmt.Sprintf("%s = %s: no such file, so the list is empty", l.key, quote(l.file)))
		case errors.As(err, &broken):
			mistakes.add(broken.List...)
		}
		*l.into = patterns
	}
	if err := mistakes.orNil(); err != nil {
		return Lists{}, nil, err
	}
	return lists, warnings, nil
}

// ReadList reads one list file; a relative name counts from the working folder.
// An empty name is an empty list. The error is fs.ErrNotExist if the file is
// not there, else a [*Mistakes] that holds every bad line.
func ReadList(file string, whose address.Whose) (address.Patterns, error) {
	if file == "" {
		return address.Patterns{}, nil
	}
	fail := func(what string) (address.Patterns, error) {
		const mend = "make it a plain file that this user may read"
		return address.Patterns{}, &Mistakes{[]Mistake{{Where: file, What: what, Mend: mend}}}
	}
	// A pipe is refused before it is opened, because that would wait for a writer.
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return address.Patterns{}, fs.ErrNotExist
	case err != nil:
		return fail("cannot be read: " + reason(err))
	case info.IsDir():
		return fail("a folder where a list file belongs")
	case !info.Mode().IsRegular() && file != os.DevNull:
		return fail("not a plain file")
	}
	f, err := os.Open(file)
	if err != nil {
		return fail("cannot be read: " + reason(err))
	}
	defer f.Close()
	patterns, err := address.ParseList(f, file, whose)
	if err != nil {
		return address.Patterns{}, badLines(file, err)
	}
	return patterns, nil
}

// badLines makes a mistake of each line of a list file's error: "file:line: what".
func badLines(file string, err error) *Mistakes {
	mistakes := new(Mistakes)
	for _, line := range unjoin(err) {
		number, _, _ := strings.Cut(strings.TrimPrefix(line.Error(), file), ": ")
		where := file + number
		f := faultOf(whole, nil, errors.New(strings.TrimPrefix(line.Error(), where+": ")))
		mistakes.add(Mistake{Where: where, What: f.what, Mend: f.mend})
	}
	return mistakes
}
