package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// unixKeys are the keys whose values are Unix seconds. In all JSON that commands print, each is
// followed by a key that ends with "_utc" and has the time as RFC 3339 writes it.
var unixKeys = map[string]bool{
	"time": true, "retry_at": true, // of decisions
	"first_seen": true, "last_seen": true, "passed_at": true, "first_attempt": true, // of triplets
	"first_passed": true, "counted_at": true, // of clients
	"since": true, "until": true, "used_at": true, // of periods and expectations
	"oldest_waiting": true, "latest_passed": true, "history_begins": true,
	"started": true, "failing_since": true, "swept": true, "read_at": true, "modified": true, // of the daemon
}

// jsonText is a value as JSON, in one line.
func jsonText(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // print the null sender as "<>"
	err := encoder.Encode(value)
	return harmless(withTimes(text.Bytes())), err
}

// harmless escapes what does something to a terminal, such as characters that turn the
// direction of writing. Package json has escaped the control characters of ASCII.
func harmless(text []byte) []byte {
	does := func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }
	if bytes.IndexFunc(text, does) < 0 {
		return text
	}
	var out []byte
	for _, r := range string(text) {
		if !does(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			out = fmt.Appendf(out, "\\u%04x", unit)
		}
	}
	return out
}

// printObject prints a value as JSON, in one line.
func printObject(w io.Writer, value any) error {
	text, err := jsonText(value)
	if err == nil {
		_, err = w.Write(text)
	}
	return err
}

// printArray prints one array of objects as they come, each on a line.
func printArray[R any](w io.Writer, all iter.Seq2[R, error], object func(R) any) error {
	separator, end := "[\n ", "[]\n"
	for r, err := range all {
		if err != nil {
			return err
		}
		text, err := jsonText(object(r))
		if err != nil {
			return err
		}
		if _, err := w.Write(append([]byte(separator), bytes.TrimSpace(text)...)); err != nil {
			return err
		}
		separator, end = ",\n ", "\n]\n"
	}
	_, err := io.WriteString(w, end)
	return err
}

// elements yields all elements of a slice, for [printArray].
func elements[R any](all []R) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		for _, r := range all {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// withTimes adds the times of RFC 3339 beside the Unix seconds in JSON that package json has
// encoded. In a string, a quotation mark is escaped, so that no text is taken for a key.
func withTimes(text []byte) []byte {
	var out bytes.Buffer
	for {
		end := bytes.Index(text, []byte(`":`))
		if end < 0 {
			out.Write(text)
			return out.Bytes()
		}
		key := text[bytes.LastIndexByte(text[:end], '"')+1 : end]
		value := end + len(`":`)
		after := value
		for after < len(text) && bytes.IndexByte([]byte("-0123456789nul"), text[after]) >= 0 {
			after++
		}
		out.Write(text[:after])
		if after > value && unixKeys[string(key)] {
			utc := "null"
			if unix, err := strconv.ParseInt(string(text[value:after]), 10, 64); err == nil {
				utc = `"` + time.Unix(unix, 0).UTC().Format(time.RFC3339) + `"`
			}
			out.WriteString(`,"` + string(key) + `_utc":` + utc)
		}
		text = text[after:]
	}
}

// orNull is a number or a text for JSON: null for zero or an empty one, which stand for none.
func orNull[V int64 | string](v V) *V {
	var none V
	if v == none {
		return nil
	}
	return &v
}

// moved counts what a command has written into a database, or would write, and what was
// there.
type moved struct {
	Written int64 `json:"written"`
	Known   int64 `json:"known"`
}
