package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"greyglass/sqlstore/backend"
)

// applicationID marks a Greyglass database (PRAGMA application_id): "GRGY".
const applicationID = 0x47524759

var markSQL = fmt.Sprintf(`PRAGMA application_id = %d`, applicationID)

// migrations bring a database to the present version: the step with index i migrates
// version i (PRAGMA user_version; 0 is an empty database) to i+1. Released steps never
// change.
var migrations = []string{schema1, schema2, schema3, schema4, schema5, schema6}

// schema1 stores triplets. Times are Unix seconds. passed_at is NULL while the triplet
// waits; key is [backend.KeyOf].
const schema1 = `
CREATE TABLE triplet (
	id         INTEGER PRIMARY KEY,
	key        BLOB    NOT NULL UNIQUE,
	client     TEXT    NOT NULL,
	sender     TEXT    NOT NULL,
	recipient  TEXT    NOT NULL,
	first_seen INTEGER NOT NULL,
	last_seen  INTEGER NOT NULL,
	passed_at  INTEGER,
	deferred   INTEGER NOT NULL,
	accepted   INTEGER NOT NULL
) STRICT;

CREATE VIEW waiting AS
	SELECT client, sender, recipient,
		datetime(first_seen, 'unixepoch') AS first_seen,
		datetime(last_seen, 'unixepoch') AS last_seen,
		deferred
	FROM triplet WHERE passed_at IS NULL ORDER BY id;

CREATE VIEW passed AS
	SELECT client, sender, recipient,
		datetime(first_seen, 'unixepoch') AS first_seen,
		datetime(passed_at, 'unixepoch') AS passed_at,
		datetime(last_seen, 'unixepoch') AS last_seen,
		deferred, accepted
	FROM triplet WHERE passed_at IS NOT NULL ORDER BY id;
`

// schema2 stores a [greylist.History]. An hour is named by the Unix second in
// which it begins.
const schema2 = `
CREATE TABLE answered (
	hour    INTEGER NOT NULL,
	via     TEXT    NOT NULL,
	verdict TEXT    NOT NULL,
	reason  TEXT    NOT NULL,
	count   INTEGER NOT NULL,
	PRIMARY KEY (hour, via, verdict, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE returned (
	hour   INTEGER NOT NULL,
	within INTEGER NOT NULL,
	count  INTEGER NOT NULL,
	PRIMARY KEY (hour, within)
) STRICT, WITHOUT ROWID;

CREATE VIEW answers AS
	SELECT datetime(hour, 'unixepoch') AS hour, via, verdict, reason, count
	FROM answered ORDER BY answered.hour, via, verdict, reason;

CREATE VIEW returns AS
	SELECT datetime(hour, 'unixepoch') AS first_deferred, within AS waited_at_most, count
	FROM returned ORDER BY returned.hour, within;
`

// schema3 stores clients, see [greylist.ClientEntry].
const schema3 = `
CREATE TABLE client (
	client       TEXT    PRIMARY KEY,
	first_passed INTEGER NOT NULL,
	counted_at   INTEGER NOT NULL,
	passed       INTEGER NOT NULL,
	last_seen    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX client_last_seen ON client (last_seen);

CREATE VIEW clients AS
	SELECT client, passed,
		datetime(first_passed, 'unixepoch') AS first_passed,
		datetime(counted_at, 'unixepoch') AS counted_at,
		datetime(last_seen, 'unixepoch') AS last_seen
	FROM client ORDER BY client;
`

// schema4 stores expectations, see [greylist.Expectation], correspondents, see
// [greylist.CorrespondentEntry], and when a triplet first came. used_at is NULL until the
// one recipient of once has come.
const schema4 = `
CREATE TABLE expected (
	recipient TEXT    NOT NULL,
	sender    TEXT    NOT NULL,
	since     INTEGER NOT NULL,
	until     INTEGER NOT NULL,
	once      INTEGER NOT NULL,
	used_at   INTEGER,
	PRIMARY KEY (recipient, sender)
) STRICT, WITHOUT ROWID;

CREATE VIEW expectations AS
	SELECT recipient, sender,
		datetime(since, 'unixepoch') AS since,
		datetime(until, 'unixepoch') AS until,
		once,
		datetime(used_at, 'unixepoch') AS used_at
	FROM expected ORDER BY recipient, sender;

CREATE TABLE correspondent (
	local      TEXT    NOT NULL,
	remote     TEXT    NOT NULL,
	first_seen INTEGER NOT NULL,
	last_seen  INTEGER NOT NULL,
	PRIMARY KEY (local, remote)
) STRICT, WITHOUT ROWID;

CREATE INDEX correspondent_last_seen ON correspondent (last_seen);

CREATE TABLE entry_used (
	list    TEXT    NOT NULL,
	entry   TEXT    NOT NULL,
	used_at INTEGER NOT NULL,
	PRIMARY KEY (list, entry)
) STRICT, WITHOUT ROWID;

CREATE VIEW entries_used AS
	SELECT list, entry, datetime(used_at, 'unixepoch') AS used_at
	FROM entry_used ORDER BY list, entry;

CREATE VIEW correspondents AS
	SELECT local, remote,
		datetime(first_seen, 'unixepoch') AS first_seen,
		datetime(last_seen, 'unixepoch') AS last_seen
	FROM correspondent ORDER BY local, remote;

-- When a triplet whose wait has begun again first came; NULL: at first_seen.
ALTER TABLE triplet ADD COLUMN first_attempt INTEGER;

DROP VIEW waiting;

CREATE VIEW waiting AS
	SELECT client, sender, recipient,
		datetime(first_seen, 'unixepoch') AS first_seen,
		datetime(last_seen, 'unixepoch') AS last_seen,
		deferred,
		datetime(coalesce(first_attempt, first_seen), 'unixepoch') AS first_attempt
	FROM triplet WHERE passed_at IS NULL ORDER BY id;
`

// schema5 stores commands, see [greylist.Command], and filters by which searches pass over
// most of the table, see [backend.Block]. An id is used again once the greatest ones are
// removed: then the blocks of those are not valid any more.
const schema5 = `
CREATE TABLE admin_command (
	id        INTEGER PRIMARY KEY,
	at        INTEGER NOT NULL,
	host      TEXT    NOT NULL,
	uid       INTEGER NOT NULL,
	user_name TEXT    NOT NULL,
	sudo_user TEXT    NOT NULL,
	command   TEXT    NOT NULL
) STRICT;

CREATE TABLE search_block (
	last_id  INTEGER PRIMARY KEY,
	first_id INTEGER NOT NULL,
	triplets INTEGER NOT NULL
) STRICT;

CREATE TABLE search_filter (
	part    INTEGER NOT NULL,
	last_id INTEGER NOT NULL,
	bits    BLOB    NOT NULL,
	PRIMARY KEY (part, last_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER triplet_greatest_removed AFTER DELETE ON triplet
	WHEN old.id > (SELECT coalesce(max(id), 0) FROM triplet)
BEGIN
	DELETE FROM search_block WHERE last_id > (SELECT coalesce(max(id), 0) FROM triplet);
END;
`

// schema6 has other filters, with the first id of their block.
const schema6 = `
DELETE FROM search_block;
DROP TABLE search_filter;
CREATE TABLE search_filter (
	part     INTEGER NOT NULL,
	last_id  INTEGER NOT NULL,
	first_id INTEGER NOT NULL,
	bits     BLOB    NOT NULL,
	PRIMARY KEY (part, last_id)
) STRICT, WITHOUT ROWID;
`

// migrate runs the missing steps, each in its own transaction. Another program may do so
// at the same time.
func migrate(ctx context.Context, conn *sql.Conn, steps []string) error {
	for {
		var version int
		err := untilFree(ctx, func() (err error) {
			version, err = userVersion(ctx, conn)
			return err
		})
		if err != nil {
			return err
		}
		if version > len(steps) {
			return backend.NewerError(version, len(steps))
		}
		if version == len(steps) {
			return nil
		}
		if err := untilFree(ctx, func() error { return migrateOnce(ctx, conn, version, steps[version]) }); err != nil {
			return fmt.Errorf("migrating from version %d to %d: %w", version, version+1, err)
		}
	}
}

// migrateOnce runs one step, unless another program has.
func migrateOnce(ctx context.Context, conn *sql.Conn, version int, step string) (err error) {
	if _, err := conn.ExecContext(ctx, beginSQL); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_, _ = conn.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`)
		}
	}()
	now, err := userVersion(ctx, conn)
	if err != nil {
		return err
	}
	if now == version {
		if _, err := conn.ExecContext(ctx, step); err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d`, version+1)); err != nil {
			return err
		}
	}
	_, err = conn.ExecContext(ctx, `COMMIT`)
	return err
}

func userVersion(ctx context.Context, conn *sql.Conn) (version int, err error) {
	err = conn.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version)
	return version, err
}

// useWAL switches the database to WAL mode, permanently (sqlite.org/wal.html).
func useWAL(ctx context.Context, conn *sql.Conn) error {
	return untilFree(ctx, func() error {
		var mode string
		if err := conn.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode); err != nil || mode == "wal" {
			return err
		}
		if err := conn.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode); err != nil {
			return err
		}
		if mode != "wal" {
			return fmt.Errorf("SQLite can't use a write-ahead log there, and keeps journal_mode %q", mode)
		}
		return nil
	})
}
