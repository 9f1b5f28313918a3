// Package problem has the error of a value that an administrator has written: an
// address, a pattern, a reply, a condition.
package problem

import (
	"cmp"
	"errors"
	"fmt"
)

// Error says what is wrong with a value, and how to fix it.
type Error struct {
	Where  string // the place: "file:line", "column 5"; may be empty
	Value  string // as it was written
	Detail string // "is not a domain", to be read after the value; or a whole sentence
	Fix    string // may be empty

	Unknown string // a name that has no meaning, if that is the problem

	whole bool // the detail stands without the value
}

// New makes an error whose detail stands without a value.
func New(fix, detail string, args ...any) *Error {
	return &Error{Detail: fmt.Sprintf(detail, args...), Fix: fix, whole: true}
}

// Of makes the error of a value; the detail is read after the value.
func Of(value, fix, detail string) *Error { return &Error{Value: value, Detail: detail, Fix: fix} }

// Within makes the error of a value from the error of a part of it, and keeps the fix.
func Within(value, detail string, part error) *Error {
	e := Find(part)
	return Of(value, e.Fix, detail+": "+e.text())
}

// At returns the error as a copy with a place.
func At(where string, err error) *Error {
	e := *Find(err)
	e.Where = where
	return &e
}

// Split returns the detail and the fix of an error in value. The detail does not
// repeat the value, since the caller prints it in front.
func Split(value string, err error) (detail, fix string) {
	e := Find(err)
	if detail = e.text(); e.Value == value {
		detail = e.Detail
	}
	return detail, cmp.Or(e.Fix, "correct or remove it")
}

// Find returns the Error that err wraps, or makes one of its text.
func Find(err error) *Error {
	if e := new(Error); errors.As(err, &e) {
		return e
	}
	return New("", "%s", err)
}

// text is the detail, after the value if it needs that.
func (e *Error) text() string {
	if e.whole {
		return e.Detail
	}
	return fmt.Sprintf("%q %s", e.Value, e.Detail)
}

// Error is one line: the place, the value, the detail, and after a semicolon the fix.
func (e *Error) Error() string {
	text := e.text()
	if e.Where != "" {
		text = e.Where + ": " + text
	}
	if e.Fix != "" {
		text += "; " + e.Fix
	}
	return text
}
