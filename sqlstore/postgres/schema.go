package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
)

// migrations bring a database to the present version. The table greyglass, by which the
// database is recognized, has one row with the version. Released steps never change.
var migrations = []string{schema1, schema2, schema3, schema4, schema5, schema6}

// schema1 has the tables and views of SQLite. Ping writes the column checked. The
// fillfactor leaves room in each page for updates without new index entries.
const schema1 = `
CREATE TABLE greyglass (
	one     boolean PRIMARY KEY DEFAULT true CHECK (one),
	version integer NOT NULL,
	checked timestamptz
);
INSERT INTO greyglass (version) VALUES (0);

CREATE TABLE triplet (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	key        bytea  NOT NULL UNIQUE,
	client     text   NOT NULL,
	sender     text   NOT NULL,
	recipient  text   NOT NULL,
	first_seen bigint NOT NULL,
	last_seen  bigint NOT NULL,
	passed_at  bigint,
	deferred   bigint NOT NULL,
	accepted   bigint NOT NULL
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE VIEW waiting AS
	SELECT client, sender, recipient,
		to_timestamp(first_seen) AT TIME ZONE 'UTC' AS first_seen,
		to_timestamp(last_seen) AT TIME ZONE 'UTC' AS last_seen,
		deferred
	FROM triplet WHERE passed_at IS NULL ORDER BY id;

CREATE VIEW passed AS
	SELECT client, sender, recipient,
		to_timestamp(first_seen) AT TIME ZONE 'UTC' AS first_seen,
		to_timestamp(passed_at) AT TIME ZONE 'UTC' AS passed_at,
		to_timestamp(last_seen) AT TIME ZONE 'UTC' AS last_seen,
		deferred, accepted
	FROM triplet WHERE passed_at IS NOT NULL ORDER BY id;

CREATE TABLE answered (
	hour    bigint NOT NULL,
	via     text   NOT NULL,
	verdict text   NOT NULL,
	reason  text   NOT NULL,
	count   bigint NOT NULL,
	PRIMARY KEY (hour, via, verdict, reason)
);

CREATE TABLE returned (
	hour   bigint NOT NULL,
	within bigint NOT NULL,
	count  bigint NOT NULL,
	PRIMARY KEY (hour, within)
);

CREATE VIEW answers AS
	SELECT to_timestamp(hour) AT TIME ZONE 'UTC' AS hour, via, verdict, reason, count
	FROM answered ORDER BY answered.hour, via, verdict, reason;

CREATE VIEW returns AS
	SELECT to_timestamp(hour) AT TIME ZONE 'UTC' AS first_deferred, within AS waited_at_most, count
	FROM returned ORDER BY returned.hour, within;
`

// schema2 stores the last batch of the history that each daemon has recorded, so that
// none counts twice.
const schema2 = `
CREATE TABLE recorded (
	daemon text PRIMARY KEY,
	batch  bigint NOT NULL,
	at     timestamptz NOT NULL
);
`

// schema3 stores clients, see [greylist.ClientEntry].
const schema3 = `
CREATE TABLE client (
	client       text COLLATE "C" PRIMARY KEY,
	first_passed bigint NOT NULL,
	counted_at   bigint NOT NULL,
	passed       bigint NOT NULL,
	last_seen    bigint NOT NULL
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX client_last_seen ON client (last_seen);

CREATE VIEW clients AS
	SELECT client, passed,
		to_timestamp(first_passed) AT TIME ZONE 'UTC' AS first_passed,
		to_timestamp(counted_at) AT TIME ZONE 'UTC' AS counted_at,
		to_timestamp(last_seen) AT TIME ZONE 'UTC' AS last_seen
	FROM client ORDER BY client;
`

// schema4 stores expectations, see [greylist.Expectation], correspondents, see
// [greylist.CorrespondentEntry], and when a triplet first came.
const schema4 = `
CREATE TABLE expected (
	recipient text COLLATE "C" NOT NULL,
	sender    text COLLATE "C" NOT NULL,
	since     bigint  NOT NULL,
	until     bigint  NOT NULL,
	once      boolean NOT NULL,
	used_at   bigint,
	PRIMARY KEY (recipient, sender)
);

CREATE VIEW expectations AS
	SELECT recipient, sender,
		to_timestamp(since) AT TIME ZONE 'UTC' AS since,
		to_timestamp(until) AT TIME ZONE 'UTC' AS until,
		once,
		to_timestamp(used_at) AT TIME ZONE 'UTC' AS used_at
	FROM expected ORDER BY recipient, sender;

CREATE TABLE correspondent (
	local      text COLLATE "C" NOT NULL,
	remote     text COLLATE "C" NOT NULL,
	first_seen bigint NOT NULL,
	last_seen  bigint NOT NULL,
	PRIMARY KEY (local, remote)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX correspondent_last_seen ON correspondent (last_seen);

CREATE TABLE entry_used (
	list    text COLLATE "C" NOT NULL,
	entry   text COLLATE "C" NOT NULL,
	used_at bigint NOT NULL,
	PRIMARY KEY (list, entry)
);

CREATE VIEW entries_used AS
	SELECT list, entry, to_timestamp(used_at) AT TIME ZONE 'UTC' AS used_at
	FROM entry_used ORDER BY list, entry;

CREATE VIEW correspondents AS
	SELECT local, remote,
		to_timestamp(first_seen) AT TIME ZONE 'UTC' AS first_seen,
		to_timestamp(last_seen) AT TIME ZONE 'UTC' AS last_seen
	FROM correspondent ORDER BY local, remote;

-- When a triplet whose wait has begun again first came; NULL: at first_seen.
ALTER TABLE triplet ADD COLUMN first_attempt bigint;

CREATE OR REPLACE VIEW waiting AS
	SELECT client, sender, recipient,
		to_timestamp(first_seen) AT TIME ZONE 'UTC' AS first_seen,
		to_timestamp(last_seen) AT TIME ZONE 'UTC' AS last_seen,
		deferred,
		to_timestamp(coalesce(first_attempt, first_seen)) AT TIME ZONE 'UTC' AS first_attempt
	FROM triplet WHERE passed_at IS NULL ORDER BY id;
`

// schema5 stores commands, see [greylist.Command], and filters by which searches pass over
// most of the table, see [backend.Block].
const schema5 = `
CREATE TABLE admin_command (
	id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at        bigint NOT NULL,
	host      text   NOT NULL,
	uid       bigint NOT NULL,
	user_name text   NOT NULL,
	sudo_user text   NOT NULL,
	command   text   NOT NULL
);

CREATE TABLE search_block (
	last_id  bigint PRIMARY KEY,
	first_id bigint NOT NULL,
	triplets bigint NOT NULL
);

CREATE TABLE search_filter (
	part    bigint NOT NULL,
	last_id bigint NOT NULL,
	bits    bytea  NOT NULL,
	PRIMARY KEY (part, last_id)
);
`

// schema6 has other filters, with the first id of their block.
const schema6 = `
DELETE FROM search_block;
DELETE FROM search_filter;
ALTER TABLE search_filter ADD COLUMN first_id bigint NOT NULL;
`

// migrationLock is the advisory lock for migrations: "greyglas" as a number.
const migrationLock = 0x67726579676c6173

var (
	// errEncoding: the database cannot store all addresses.
	errEncoding = errors.New("the database's encoding is not UTF8")
	// errOlder: the schema is of an older version, and this role may not change it.
	errOlder = errors.New("the schema is of an older version")
	// errPrivileges: the schema is there, but not for this role.
	errPrivileges = errors.New("the role may not use the schema")
)

// look checks whether the database can be used. Its error wraps
// [greylist.ErrNoDatabase], [greylist.ErrNotOurs], [greylist.ErrNewer], or one of those
// above.
func look(ctx context.Context, conn pgx.Tx, newest int) error {
	var encoding string
	var ours, foreign bool
	err := conn.QueryRow(ctx, `SELECT current_setting('server_encoding'), to_regclass('greyglass') IS NOT NULL,
		coalesce(to_regclass('triplet'), to_regclass('waiting'), to_regclass('passed'), to_regclass('answered'),
			to_regclass('returned'), to_regclass('answers'), to_regclass('returns'), to_regclass('recorded'),
			to_regclass('client'), to_regclass('clients'), to_regclass('correspondent'), to_regclass('correspondents'),
			to_regclass('expected'), to_regclass('expectations'),
			to_regclass('entry_used'), to_regclass('entries_used'),
			to_regclass('admin_command'), to_regclass('search_block'), to_regclass('search_filter')) IS NOT NULL`).Scan(&encoding, &ours, &foreign)
	switch {
	case err != nil:
		return err
	case encoding != "UTF8":
		return fmt.Errorf("%w but %s", errEncoding, encoding)
	case !ours && foreign:
		return fmt.Errorf("%w: it has tables of such names as triplet or passed, and none named greyglass", greylist.ErrNotOurs)
	case !ours:
		return fmt.Errorf("%w: there is no schema of Greyglass in it", greylist.ErrNoDatabase)
	}
	var reads, writes, isOurs bool
	err = conn.QueryRow(ctx, `SELECT has_table_privilege('greyglass', 'SELECT'),
		has_any_column_privilege('greyglass', 'UPDATE') AND (to_regclass('triplet') IS NULL OR
			has_table_privilege('triplet', 'SELECT') AND has_table_privilege('triplet', 'INSERT') AND
			has_table_privilege('triplet', 'UPDATE') AND has_table_privilege('triplet', 'DELETE')) AND
		coalesce((SELECT bool_and(has_table_privilege(name, 'SELECT') AND has_table_privilege(name, 'INSERT') AND
			has_table_privilege(name, 'UPDATE') AND has_table_privilege(name, 'DELETE'))
			FROM unnest(ARRAY[to_regclass('client'), to_regclass('expected'), to_regclass('correspondent'), to_regclass('entry_used'),
				to_regclass('admin_command'), to_regclass('search_block'), to_regclass('search_filter')]) AS name
			WHERE name IS NOT NULL), true),
		EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('greyglass') AND attname = 'version')`).Scan(&reads, &writes, &isOurs)
	switch {
	case err != nil:
		return err
	case !isOurs:
		return fmt.Errorf("%w: its table greyglass has no version", greylist.ErrNotOurs)
	case !reads || !writes:
		return errPrivileges
	}
	var version int
	switch err := conn.QueryRow(ctx, `SELECT version FROM greyglass`).Scan(&version); {
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%w: its table greyglass is empty", greylist.ErrNotOurs)
	case err != nil:
		return err
	case version > newest:
		return backend.NewerError(version, newest)
	case version < newest:
		return fmt.Errorf("%w: %d, and this program's is %d", errOlder, version, newest)
	}
	return nil
}

// A migration waits for so long for a lock on a table, and tries again after a pause:
// while it waits, the daemons' statements wait behind it, and must not run out of time.
const (
	migrationLockTimeout = `SET LOCAL lock_timeout = '300ms'`
	migrationPause       = time.Second
)

// prepare checks the database and, if it may, creates the schema or migrates it.
func prepare(ctx context.Context, conn *pgx.Conn, create bool, steps []string) error {
	for {
		err := prepareOnce(ctx, conn, create, steps)
		if fault := (*pgconn.PgError)(nil); !errors.As(err, &fault) || fault.Code != lockNotAvailable {
			return err
		}
		select {
		case <-time.After(migrationPause):
		case <-ctx.Done():
			return err
		}
	}
}

func prepareOnce(ctx context.Context, conn *pgx.Conn, create bool, steps []string) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return look(ctx, tx, len(steps)) })
	if !errors.Is(err, errOlder) && !(create && errors.Is(err, greylist.ErrNoDatabase)) {
		return err
	}
	// One program at a time, and all in one transaction. Reading a table after the lock
	// makes the session see what others have created while it waited.
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		for _, statement := range []string{`SET LOCAL lock_timeout = 0`, fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, int64(migrationLock)), `SELECT FROM pg_class LIMIT 1`} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		version := 0
		switch err := look(ctx, tx, len(steps)); {
		case err == nil:
			return nil // another program was faster
		case errors.Is(err, errOlder):
			if err := tx.QueryRow(ctx, `SELECT version FROM greyglass`).Scan(&version); err != nil {
				return err
			}
		case !errors.Is(err, greylist.ErrNoDatabase):
			return err
		}
		if _, err := tx.Exec(ctx, migrationLockTimeout); err != nil {
			return err
		}
		for ; version < len(steps); version++ {
			if _, err := tx.Exec(ctx, steps[version], pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("migrating from version %d to %d: %w", version, version+1, err)
			}
		}
		_, err := tx.Exec(ctx, `UPDATE greyglass SET version = $1`, version)
		return err
	})
}

// Migrate creates the schema in the PostgreSQL database that a URL names, or
// brings it to the present version, and returns that.
func Migrate(ctx context.Context, url string, opts backend.Options) (version int, err error) {
	server, err := newServer(url, opts)
	if err != nil {
		return 0, err
	}
	defer server.watchLocks(opts.Waiting)()
	conn, err := server.connect(ctx)
	if err == nil {
		defer closeSoon(conn.Conn)
		err = prepare(ctx, conn.Conn, true, migrations)
	}
	switch {
	case errors.Is(err, greylist.ErrNotOurs), errors.Is(err, greylist.ErrNewer):
		return 0, err
	case err != nil:
		return 0, withAdvice(server.fault(err))
	}
	return len(migrations), nil
}
