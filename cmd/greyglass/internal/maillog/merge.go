package maillog

import (
	"cmp"
	"errors"
	"os"
	"slices"
)

// files are the files of a log, merged by time. Each is opened when its first line is due,
// so that few are open at once.
type files struct {
	logs    *Logs
	closed  []dated   // not yet due, by their first time
	open    []*source // each has a line
	current *source
}

// dated is a file with the time of its first line, and when it was changed.
type dated struct {
	name           string
	first, changed int64
}

// open looks where each file begins. Its error is of files that cannot be opened.
func (l *Logs) open() (*files, error) {
	f := &files{logs: l}
	var errs []error
	for _, name := range l.Files {
		if name == "-" {
			f.closed = append(f.closed, dated{name: name, first: -maxTime})
			continue
		}
		look := Logs{Zone: l.Zone, Now: l.Now}
		s, err := look.openSource(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		d := dated{name: name, first: -maxTime}
		if s.next() {
			d.first = s.line.at
		}
		s.close()
		if info, err := os.Stat(name); err == nil {
			l.Counts.Size += info.Size()
			d.changed = info.ModTime().UnixNano()
		}
		f.closed = append(f.closed, d)
	}
	slices.SortStableFunc(f.closed, func(a, b dated) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.changed, b.changed))
	})
	return f, errors.Join(errs...)
}

// next returns the earliest line that was not yet read, or nil.
func (f *files) next() *line {
	if f.current != nil && !f.current.next() {
		f.current.close()
		f.open = slices.DeleteFunc(f.open, func(s *source) bool { return s == f.current })
		f.current = nil
	}
	f.choose()
	if f.current == nil {
		return nil
	}
	return &f.current.line
}

// choose finds the file with the earliest line. Of several it stays with the present one.
func (f *files) choose() {
	for _, s := range f.open {
		if f.current == nil || s.line.at < f.current.line.at {
			f.current = s
		}
	}
	for len(f.closed) > 0 && (f.current == nil || f.closed[0].first < f.current.line.at) {
		s, err := f.logs.openSource(f.closed[0].name)
		f.closed = f.closed[1:]
		if err != nil {
			f.logs.Counts.Damaged = append(f.logs.Counts.Damaged, err.Error()) // it has gone meanwhile
			continue
		}
		if !s.next() {
			s.close()
			continue
		}
		f.open = append(f.open, s)
		if f.current == nil || s.line.at < f.current.line.at {
			f.current = s
		}
	}
}

func (f *files) close() {
	for _, s := range f.open {
		s.close()
	}
}
