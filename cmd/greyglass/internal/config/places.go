package config

import (
	"bytes"
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// place is the line of a key in a file. Lines count from 1; 0 is unknown.
type place struct {
	line    int
	entries []int // the line of each entry of a list
}

// findPlaces returns the place of each table and key in a TOML document, by its path as
// [joinPath] writes it.
func findPlaces(document []byte) map[string]place {
	lines := newlines(document)
	places := make(map[string]place)
	tables := make(map[string]int) // the length of each array of tables
	var table []string
	var p unstable.Parser
	p.Reset(document)
	for p.NextExpression() {
		e := p.Expression()
		keys, first := keyOf(e)
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			noteTable(places, keys, lines.at(first))
			table = keys
			if e.Kind == unstable.ArrayTable {
				table = append(table, strconv.Itoa(tables[joinPath(keys)]))
				tables[joinPath(keys)]++
				noteTable(places, table, lines.at(first))
			}
		case unstable.KeyValue:
			note(places, lines, table, e)
		}
	}
	return places
}

// noteTable notes the first place of a table. The path of a table in an array ends with
// its number, from zero.
func noteTable(places map[string]place, path []string, line int) {
	if _, known := places[joinPath(path)]; !known {
		places[joinPath(path)] = place{line: line}
	}
}

// note notes the place of a key and its value, and of the keys in an inline table.
func note(places map[string]place, lines newlineOffsets, table []string, e *unstable.Node) {
	keys, first := keyOf(e)
	path := append(append([]string(nil), table...), keys...)
	for n := len(table) + 1; n < len(path); n++ { // the tables of a dotted key
		noteTable(places, path[:n], lines.at(first))
	}
	at := place{line: lines.at(first)}
	value := e.Value()
	for children := value.Children(); children.Next(); {
		child := children.Node()
		switch {
		case value.Kind == unstable.Array:
			if offset, ok := offsetOf(child); ok {
				at.entries = append(at.entries, lines.at(offset))
			} else {
				at.entries = append(at.entries, at.line)
			}
		case child.Kind == unstable.KeyValue:
			note(places, lines, path, child)
		}
	}
	places[joinPath(path)] = at
}

// keyOf returns the parts of the key of a table or value, and the offset of the first.
func keyOf(e *unstable.Node) (parts []string, offset uint32) {
	if e.Kind == unstable.Comment {
		return nil, 0
	}
	for keys := e.Key(); keys.Next(); {
		if parts == nil {
			offset = keys.Node().Raw.Offset
		}
		parts = append(parts, string(keys.Node().Data))
	}
	return parts, offset
}

// offsetOf returns where a value begins; for a list, where its first entry begins.
func offsetOf(n *unstable.Node) (uint32, bool) {
	for n.Kind == unstable.Array {
		child := n.Child()
		if child == nil {
			return 0, false
		}
		n = child
	}
	return n.Raw.Offset, true
}

// newlineOffsets are the offsets of the newlines in a document.
type newlineOffsets []int

func newlines(document []byte) newlineOffsets {
	var offsets newlineOffsets
	for i := 0; ; i++ {
		n := bytes.IndexByte(document[i:], '\n')
		if n < 0 {
			return offsets
		}
		i += n
		offsets = append(offsets, i)
	}
}

// at returns the line of an offset.
func (n newlineOffsets) at(offset uint32) int { return sort.SearchInts(n, int(offset)) + 1 }

// joinPath writes the parts of a key as in a TOML file.
func joinPath(parts []string) string {
	written := make([]string, len(parts))
	for i, part := range parts {
		written[i] = part
		if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			written[i] = strconv.Quote(part)
		}
	}
	return strings.Join(written, ".")
}
