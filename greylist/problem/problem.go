// Package problem has the error of what an administrator has written: an address, a
// pattern, a reply.
package problem

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// Error says what is wrong with a value, and how to fix that.
type Error struct {
	Value  string // as it was written
	Detail string // continues the value, "is not a domain", unless it is whole
	Fix    string // may be empty

	whole bool // the detail needs no value
}

// New makes an error whose detail needs no value.
func New(fix, detail string, args ...any) *Error {
	return &Error{Detail: fmt.Sprintf(detail, args...), Fix: fix, whole: true}
}

// Of makes the error of a value.
func Of(value, fix, detail string) *Error { return &Error{Value: value, Detail: detail, Fix: fix} }

// Within makes the error of a value of which a part has an error: its fix stays.
func Within(value, detail string, part error) *Error {
	e := find(part)
	return Of(value, e.Fix, detail+": "+e.text())
}

// Split returns the detail and the fix of an error that a person has caused by
// writing value, which stands before the detail anyway.
func Split(value string, err error) (detail, fix string) {
	e := find(err)
	if detail = e.text(); e.Value == value {
		detail = e.Detail
	}
	return detail, cmp.Or(e.Fix, "correct or remove it")
}

func find(err error) *Error {
	if e := new(Error); errors.As(err, &e) {
		return e
	}
	return New("", "%s", err)
}

// text is the detail, with the value before it where it needs that.
func (e *Error) text() string {
	if e.whole {
		return e.Detail
	}
	return fmt.Sprintf("%q %s", e.Value, e.Detail)
}

// Error is one line: the value, the detail, and after a semicolon the fix.
func (e *Error) Error() string {
	if e.Fix == "" {
		return e.text()
	}
	return e.text() + "; " + e.Fix
}

// packages begin the errors of these parts of the program.
var packages = []string{"greylist: ", "sqlstore: ", "milter: ", "config: "}

// Text is an error for people, to whom the name of a package means nothing.
func Text(err error) string {
	text := err.Error()
	for _, name := range packages {
		text = strings.TrimPrefix(text, name)
	}
	return text
}
