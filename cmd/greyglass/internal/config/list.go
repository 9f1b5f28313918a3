package config

import (
	"errors"
	"slices"

	"greyglass/greylist/problem"
	"greyglass/greylist/rules"
)

// list is a list of strings. check returns the faults of its entries.
type list struct {
	check   func([]string) []fault
	allowed string
}

func (list) textual() bool                { return false }
func (k list) describe() (string, string) { return "list of strings", k.allowed }
func (k list) read(raw any) (any, []fault) {
	return readList(raw, `write a list such as ["a", "b"], or []`, readString, k.check)
}

// triples is a list of lists of three strings.
type triples struct {
	check   func([][]string) []fault
	allowed string
}

func (triples) textual() bool                { return false }
func (k triples) describe() (string, string) { return "list of lists of three strings", k.allowed }
func (k triples) read(raw any) (any, []fault) {
	return readList(raw, `write a list such as [["a", "b", "c"]], or []`, readStrings, k.check)
}

// readList reads all entries, and checks those that it could read.
func readList[E any](raw any, fix string, read func(any) (E, string, string), check func([]E) []fault) (any, []fault) {
	entries, ok := raw.([]any)
	if !ok {
		return nil, wrong(typeOf(raw)+" where a list belongs", fix)
	}
	var faults []fault
	values := make([]E, 0, len(entries))
	indexes := make([]int, 0, len(entries))
	for i, entry := range entries {
		v, what, fix := read(entry)
		if what != "" {
			faults = append(faults, fault{i, what, fix})
			continue
		}
		values = append(values, v)
		indexes = append(indexes, i)
	}
	for _, f := range check(values) {
		f.index = indexes[f.index]
		faults = append(faults, f)
	}
	slices.SortStableFunc(faults, func(a, b fault) int { return a.index - b.index })
	if len(faults) > 0 {
		return nil, faults
	}
	return values, nil
}

func readString(raw any) (value, detail, fix string) {
	s, ok := raw.(string)
	if !ok {
		return "", typeOf(raw) + " where a string belongs", "put it in quotes"
	}
	return s, "", ""
}

func readStrings(raw any) (value []string, detail, fix string) {
	const example = `write three strings in brackets, ["a", "b", "c"]`
	entries, ok := raw.([]any)
	if !ok {
		return nil, typeOf(raw) + " where a list of three strings belongs", example
	}
	for _, entry := range entries {
		s, what, _ := readString(entry)
		if what != "" {
			return nil, what, example
		}
		value = append(value, s)
	}
	return value, "", ""
}

// each makes a check of a list from the check of an entry.
func each(check func(string) error) func([]string) []fault {
	return func(entries []string) []fault {
		var faults []fault
		for i, entry := range entries {
			if err := check(entry); err != nil {
				faults = append(faults, faultOf(i, entry, err))
			}
		}
		return faults
	}
}

// compiled makes a check of a list of [rules.Config].
func compiled[E any](set func([]E) rules.Config) func([]E) []fault {
	return func(entries []E) []fault {
		_, err := set(entries).Compile()
		var faults []fault
		for _, err := range unjoin(err) {
			if e := new(rules.ListError); errors.As(err, &e) {
				faults = append(faults, faultOf(e.Index, entries[e.Index], e.Err))
			}
		}
		return faults
	}
}

// unjoin returns the errors that errors.Join joined, none for nil.
func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// faultOf makes a fault of the error of a value.
func faultOf(index int, value any, err error) fault {
	s, _ := value.(string)
	detail, fix := problem.Split(s, err)
	return fault{index, detail, fix}
}
