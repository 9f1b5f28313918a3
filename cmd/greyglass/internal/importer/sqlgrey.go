package importer

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver

	"greyglass/greylist/address"
)

// sqlgreyTables are sqlgrey's tables with their columns: who waits, and who has passed.
var sqlgreyTables = map[string][]string{
	"connect":    {"sender_name", "sender_domain", "src", "rcpt", "first_seen"},
	"from_awl":   {"sender_name", "sender_domain", "src", "first_seen", "last_seen"},
	"domain_awl": {"sender_domain", "src", "first_seen", "last_seen"},
}

// readSqlgrey reads sqlgrey's SQLite file, or a dump of its MySQL or PostgreSQL tables.
func readSqlgrey(ctx context.Context, im *Import, yield func(entry)) error {
	f, err := im.open()
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, maxLine)
	const header = "SQLite format 3\x00"
	if head, _ := r.Peek(len(header)); bytes.Equal(head, []byte(header)) && im.Source != "-" {
		return im.readSQLite(ctx, yield)
	}
	d := &sqlDump{r: r, tables: sqlgreyTables, zone: time.Local}
	err = d.read(ctx, func(table string, row map[string]string) {
		e, ok := sqlgreyRow(table, row, d.zone)
		if !ok {
			e = entry{place: im.at(d.line)}
		}
		yield(e)
	})
	if err == nil && !d.found {
		err = errors.New("none of sqlgrey's tables is in it; give sqlgrey's SQLite file, or a dump as SQL text by mysqldump or pg_dump")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", im.Source, err)
	}
	return nil
}

// together is how many rows are read at a time, so that sqlgrey is not held up.
const together = 1000

func (im *Import) readSQLite(ctx context.Context, yield func(entry)) error {
	path, err := filepath.Abs(im.Source)
	if err != nil {
		return err
	}
	name := url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro&_pragma=busy_timeout(10000)"}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return err
	}
	defer db.Close()
	for _, table := range []string{"connect", "from_awl", "domain_awl"} {
		if err := im.readTable(ctx, db, table, yield); err != nil {
			return fmt.Errorf("%s: %w", im.Source, err)
		}
	}
	return nil
}

func (im *Import) readTable(ctx context.Context, db *sql.DB, table string, yield func(entry)) error {
	columns := sqlgreyTables[table]
	// As text: the driver would make times of numbers in columns of the type timestamp.
	texts := make([]string, len(columns))
	for i, c := range columns {
		texts[i] = "CAST(" + c + " AS TEXT)"
	}
	query := fmt.Sprintf("SELECT rowid, %s FROM %s WHERE rowid > ? ORDER BY rowid LIMIT %d", strings.Join(texts, ", "), table, together)
	for last := int64(-1); ; {
		n := 0
		rows, err := db.QueryContext(ctx, query, last)
		if err != nil {
			return err
		}
		for rows.Next() {
			values := make([]sql.NullString, len(columns))
			into := []any{&last}
			for i := range values {
				into = append(into, &values[i])
			}
			if err := rows.Scan(into...); err != nil {
				return errors.Join(err, rows.Close())
			}
			row := make(map[string]string, len(columns))
			for i, c := range columns {
				row[c] = values[i].String
			}
			e, ok := sqlgreyRow(table, row, time.UTC)
			if !ok {
				e = entry{place: fmt.Sprintf("%s, table %s, row %d", im.Source, table, last)}
			}
			yield(e)
			n++
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		if n < together {
			return nil
		}
	}
}

// undefined is how sqlgrey writes the parts of the null sender, and a domain that is
// not there.
const undefined = "-undef-"

// cutAt is how many characters sqlgrey's columns hold; what is longer is cut.
var cutAt = map[string]int{"sender_name": 64, "sender_domain": 255, "rcpt": 255}

// sqlgreyRow makes an entry of a row. Of what has passed, sqlgrey does not remember the
// recipient, so it is known only that the client retries.
func sqlgreyRow(table string, row map[string]string, zone *time.Location) (e entry, ok bool) {
	var okFirst, okLast bool
	e.first, okFirst = sqlTime(row["first_seen"], zone)
	e.last, okLast = e.first, true
	if table != "connect" {
		e.last, okLast = sqlTime(row["last_seen"], zone)
		e.passed, e.at = true, []int64{e.first}
		if table == "domain_awl" { // only where several senders have passed
			e.at = append(e.at, e.last)
		}
	}
	if e.client, ok = sqlgreyClient(row["src"]); !ok || !okFirst || !okLast || row["sender_domain"] == "" {
		return e, false
	}
	if table != "connect" {
		return e, true
	}
	if e.recipient = row["rcpt"]; e.recipient == "" {
		return e, false
	}
	switch name, domain := row["sender_name"], row["sender_domain"]; {
	case name == undefined && domain == undefined:
	case domain == undefined:
		e.sender = name
	default:
		e.sender = name + "@" + domain
	}
	for column, most := range cutAt {
		if len([]rune(row[column])) >= most {
			e.skip = "sqlgrey has cut an address that is too long"
		}
	}
	return e, true
}

// sqlgreyClient reads a client: an address, or one that is cut to the first three octets
// of an IPv4 address, or to the first four groups of an IPv6 address.
func sqlgreyClient(src string) (netip.Prefix, bool) {
	if addr, err := address.ParseIP(src); err == nil {
		return whole(addr), true
	}
	if addr, err := netip.ParseAddr(src + ".0"); err == nil && addr.Is4() {
		return netip.PrefixFrom(addr, 24), true
	}
	if addr, err := netip.ParseAddr(src + "::"); err == nil && strings.Count(src, ":") == 3 {
		return netip.PrefixFrom(addr, 64), true
	}
	return netip.Prefix{}, false
}

// sqlTime reads a time: Unix seconds, or date and time in a zone.
func sqlTime(s string, zone *time.Location) (int64, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, n >= 0
	}
	for _, layout := range []string{time.DateTime, "2006-01-02 15:04:05-07", "2006-01-02T15:04:05"} { // a fraction is read, too
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t.Unix(), t.Unix() >= 0
		}
	}
	return 0, false
}

// known returns the columns in which a dump has the values of a table.
func known(tables map[string][]string, table string, named []string) []string {
	if len(named) == 0 {
		return tables[table]
	}
	for _, c := range tables[table] {
		if !slices.Contains(named, c) {
			return nil
		}
	}
	return named
}
