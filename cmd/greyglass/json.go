package main

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"time"
)

// unixKeys are the keys whose values are Unix seconds. In all JSON that commands print, a
// key follows each of them that ends with "_utc" and has the time as RFC 3339 writes it.
var unixKeys = []string{
	"started", "failing_since", "swept", "read", "modified",
}

// printObject prints one value as JSON, indented.
func printObject(w io.Writer, value any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false) // print the null sender as "<>"
	if err := encoder.Encode(value); err != nil {
		return err
	}
	_, err := w.Write(withTimes(text.Bytes()))
	return err
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
		key := string(text[bytes.LastIndexByte(text[:end], '"')+1 : end])
		value := end + len(`":`)
		for value < len(text) && text[value] == ' ' {
			value++
		}
		after := value
		for after < len(text) && bytes.IndexByte([]byte("-0123456789nul"), text[after]) >= 0 {
			after++
		}
		out.Write(text[:after])
		if slices.Contains(unixKeys, key) && after > value {
			utc := "null"
			if unix, err := strconv.ParseInt(string(text[value:after]), 10, 64); err == nil {
				utc = `"` + time.Unix(unix, 0).UTC().Format(time.RFC3339) + `"`
			}
			out.WriteString(", \"" + key + "_utc\": " + utc)
		}
		text = text[after:]
	}
}
