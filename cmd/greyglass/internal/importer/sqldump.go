package importer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"
)

// sqlDump reads rows of some tables out of a dump in SQL: COPY as pg_dump writes it, and
// INSERT as mysqldump, sqlite3 and pg_dump --inserts do. It reads nothing else, and keeps
// one row in memory.
type sqlDump struct {
	r      *bufio.Reader
	tables map[string][]string // their columns, in the order of the table
	line   int                 // that is being read
	zone   *time.Location      // of times in the dump
	found  bool                // one of the tables
}

// maxValue bounds the octets of a value that are kept.
const maxValue = 4096

var (
	copyFrom   = regexp.MustCompile(`(?i)^COPY\s+(\S+)\s*(?:\(([^)]*)\))?\s+FROM\s+stdin;`)
	insertInto = regexp.MustCompile(`(?i)^INSERT\s+INTO\s+([^\s(]+)\s*(?:\(([^)]*)\))?\s*VALUES\s*$`)
	utcZone    = regexp.MustCompile(`(?i)SET\s+TIME_ZONE\s*=\s*'\+00:00'`)
)

// read calls row with each row of the tables; with none for what cannot be understood.
func (d *sqlDump) read(ctx context.Context, row func(table string, values map[string]string)) error {
	for d.line = 1; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		word, _ := d.r.Peek(len("INSERT"))
		if bytes.EqualFold(word, []byte("INSERT")) {
			if err := d.insert(ctx, row); err != nil {
				return truncated(err)
			}
			continue
		}
		line, err := readLine(d.r)
		if utcZone.Match(line) {
			d.zone = time.UTC
		}
		d.line++
		if m := copyFrom.FindSubmatch(line); m != nil && err == nil {
			err = truncated(d.copied(ctx, tableName(string(m[1])), columnNames(string(m[2])), row))
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// truncated is the error of what cannot end with the file.
func truncated(err error) error {
	if errors.Is(err, io.EOF) {
		return errTruncated
	}
	return err
}

var errTruncated = errors.New("the dump ends in the middle of a table; what it has was taken over")

// tableName is a name without its schema and quotes.
func tableName(s string) string {
	s = s[strings.LastIndexByte(s, '.')+1:]
	return strings.ToLower(strings.Trim(s, "`\""))
}

func columnNames(s string) (names []string) {
	for name := range strings.SplitSeq(s, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, tableName(name))
		}
	}
	return names
}

// emit hands a row on, if its table is wanted.
func (d *sqlDump) emit(table string, columns []string, values []string, row func(string, map[string]string)) {
	if d.tables[table] == nil {
		return
	}
	d.found = true
	named := make(map[string]string, len(columns))
	if len(values) == len(columns) {
		for i, c := range columns {
			named[c] = values[i]
		}
	}
	row(table, named)
}

// copied reads the lines of COPY: values between tabs, with escapes.
func (d *sqlDump) copied(ctx context.Context, table string, columns []string, row func(string, map[string]string)) error {
	d.found = d.found || d.tables[table] != nil
	columns = known(d.tables, table, columns)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := readLine(d.r)
		if string(line) == `\.` {
			d.line++
			return nil
		}
		if err != nil && len(line) == 0 {
			return err
		}
		values := strings.Split(string(line), "\t")
		for i := range values {
			values[i] = copyEscapes.Replace(values[i])
		}
		if d.emit(table, columns, values, row); err != nil {
			return err
		}
		d.line++
	}
}

var copyEscapes = strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\r`, "\r", `\N`, "")

// insert reads an INSERT: its table, perhaps its columns, and rows in parentheses.
func (d *sqlDump) insert(ctx context.Context, row func(string, map[string]string)) error {
	var head []byte
	for !insertInto.Match(head) {
		c, err := d.octet()
		if err != nil {
			return err
		}
		if head = append(head, c); c == '\n' || len(head) > maxValue {
			return d.skipLine(row, c == '\n')
		}
	}
	m := insertInto.FindSubmatch(head)
	table := tableName(string(m[1]))
	columns := known(d.tables, table, columnNames(string(m[2])))
	backslashes := bytes.Contains(m[1], []byte("`")) // MySQL's
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		c, err := d.next()
		if err != nil {
			return err
		}
		switch c {
		case '(':
			values, err := d.values(backslashes)
			if err != nil {
				return err
			}
			d.emit(table, columns, values, row)
		case ',':
		case ';':
			return d.toNextLine()
		default:
			return d.skipLine(row, false)
		}
	}
}

// skipLine goes on after the present line, which cannot be understood, unless it has
// been read to its end.
func (d *sqlDump) skipLine(row func(string, map[string]string), read bool) error {
	row("", nil)
	if read {
		return nil
	}
	return d.toNextLine()
}

// toNextLine reads the rest of the present line.
func (d *sqlDump) toNextLine() error {
	_, err := readLine(d.r)
	d.line++
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (d *sqlDump) octet() (byte, error) {
	c, err := d.r.ReadByte()
	if c == '\n' {
		d.line++
	}
	return c, err
}

// next reads an octet after spaces.
func (d *sqlDump) next() (byte, error) {
	for {
		c, err := d.octet()
		if err != nil || c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c, err
		}
	}
}

// values reads the values of a row, and the parenthesis behind it.
func (d *sqlDump) values(backslashes bool) (values []string, err error) {
	for {
		var value []byte
		c, err := d.next()
		for ; err == nil && c != ',' && c != ')'; c, err = d.octet() {
			if c == '\'' {
				value, err = d.quoted(value, backslashes)
			} else if len(value) < maxValue {
				value = append(value, c)
			}
			if err != nil {
				return nil, err
			}
		}
		if err != nil {
			return nil, err
		}
		if len(values) < 16 { // more columns than any table has
			values = append(values, strings.TrimSpace(string(value)))
		}
		if c == ')' {
			return values, nil
		}
	}
}

// quoted reads a text up to its closing quote, which is not doubled.
func (d *sqlDump) quoted(value []byte, backslashes bool) ([]byte, error) {
	for {
		c, err := d.octet()
		if err != nil {
			return value, err
		}
		if c == '\'' {
			if follows, err := d.r.Peek(1); err != nil || follows[0] != '\'' {
				return value, nil
			}
			_, _ = d.r.ReadByte()
		} else if c == '\\' && backslashes {
			if c, err = d.octet(); err != nil {
				return value, err
			}
		}
		if len(value) < maxValue {
			value = append(value, c)
		}
	}
}
