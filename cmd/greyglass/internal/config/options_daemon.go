package config

import (
	"time"

	"greyglass/greylist"
	"greyglass/milter/listen"
)

var listenSection = Section{
	Name: "listen",
	Doc:  "Where the daemon listens: by inet for Postfix, whose smtpd Debian chroots, and by unix sockets for Sendmail and Exim. A change takes effect when the daemon is restarted.",
	Options: []Option{
		{
			Key:     "listen.milter",
			Default: []string{"unix:/run/greyglass/milter.sock", "inet:127.0.0.1:8895"},
			Kind:    list{each(checkListen), listenSpellings},
			Comment: "For MTAs that speak the milter protocol (Sendmail, Postfix).\nAlso inet:PORT@HOST, inet6:..., local:PATH, systemd:NAME.",
			Doc:     "Where MTAs that speak the milter protocol (Sendmail, Postfix) reach the daemon. `[]` turns it off.",
			Restart: true,
		}, {
			Key:     "listen.policy",
			Default: []string{"unix:/run/greyglass/policy.sock", "inet:127.0.0.1:8897"},
			Kind:    list{each(checkListen), listenSpellings},
			Comment: "For Postfix's policy protocol, and for Exim by readsocket; [] turns it off.",
			Doc:     "Where MTAs that speak Postfix's policy protocol (Postfix; Exim by `readsocket`) reach the daemon. `[]` turns it off.",
			Restart: true,
		}, {
			Key:     "listen.http",
			Default: "",
			Kind:    text{checkHTTP, "`HOST:PORT`, `systemd:NAME`, or empty"},
			Comment: "HOST:PORT for metrics and health, such as \"127.0.0.1:8896\"; empty: off.",
			Doc:     "Where metrics (`/metrics`) and health (`/healthz`, `/readyz`) can be asked for by HTTP, such as `127.0.0.1:8896`. Empty turns it off. There is no password, so that an address that others can reach needs `listen.http_public`.",
			Restart: true,
		}, {
			Key:     "listen.http_public",
			Default: false,
			Kind:    boolean{},
			Comment: "Allow listen.http to be an address that other machines can reach.",
			Doc:     "Whether `listen.http` may be an address that other machines can reach. What it tells has no addresses in it, but anybody who reaches it can read how much mail there is and whether the daemon is well.",
			Restart: true,
		}, {
			Key:     "listen.socket_mode",
			Default: "0660",
			Kind:    text{checkMode, "an octal mode up to `0777`, in quotes"},
			Comment: "Permissions of the unix sockets, in octal.",
			Doc:     "The permissions of the unix sockets. An MTA needs to write to a socket in order to reach it.",
			Restart: true,
		}, {
			Key:     "listen.socket_group",
			Default: "",
			Kind:    text{},
			Comment: "Group of the unix sockets, by name; empty: the daemon's own.",
			Doc:     "The group that the unix sockets belong to, by name, so that an MTA in that group reaches them. Empty is the daemon's own group.",
			Restart: true,
		},
	},
}

const listenSpellings = "`unix:/PATH` (or `local:/PATH`), `inet:HOST:PORT`, `inet:PORT@HOST`, `inet6:[ADDRESS]:PORT`, `inet6:PORT@HOST`, `systemd:NAME`"

var storeSection = Section{
	Name: "store",
	Doc:  "The database, and what is answered while it fails.",
	Options: []Option{
		{
			Key:     "store.url",
			Default: "sqlite:/var/lib/greyglass/greyglass.db",
			Kind:    text{checkStore, "`sqlite:FILE` or `postgres://USER@HOST/DATABASE`"},
			Comment: "The database: sqlite:FILE, or postgres://USER@HOST/DATABASE for several MXs.",
			Doc:     "The database. An SQLite file is made when the daemon first starts; a relative path counts from the working folder. A PostgreSQL database is shared by any number of daemons: see `postgres/README.md` in `contrib`, or in `/usr/share/doc/greyglass/examples`. Its URL may name several hosts (`postgres://USER@HOST1,HOST2:5433/DATABASE`), of which the one that can be written to is found, and have libpq's parameters, such as `sslmode=verify-full`. A change takes effect when the daemon is restarted.",
			Secret:  true,
			Restart: true,
		}, {
			Key:     "store.password_file",
			Default: "",
			Kind:    text{checkFile, "a file, or empty"},
			Comment: "A file whose first line is the password for PostgreSQL.",
			Doc:     "A file whose first line is the password for PostgreSQL, which the daemon's user must be able to read. It is read for each connection, so that a new password needs no restart. Empty: the password is that of the URL, of the environment variable `PGPASSWORD`, or of the file that `PGPASSFILE` names (`~/.pgpass`), whichever is found first. An SQLite database has none.",
			Restart: true,
		}, {
			Key:     "store.on_error",
			Default: "accept",
			Kind:    choice{"accept", "defer"},
			Comment: "What to answer when the database fails: accept or defer.",
			Doc:     "What is answered while the database fails or is too slow: `accept` lets spam through for a while, `defer` delays all mail that no rule accepts before.",
		}, {
			Key:     "store.error_reply",
			Default: "451 4.3.0 Temporary error, please try again later",
			Kind:    reply(greylist.Defer),
			Comment: "The reply that goes with on_error = \"defer\".",
			Doc:     "The reply that goes with `on_error = \"defer\"`.",
		}, {
			Key:     "store.synchronous",
			Default: "full",
			Kind:    choice{"full", "normal"},
			Comment: "full: changes are on the disk before the answer is given. normal: within a\nsecond or so; a power failure loses them.",
			Doc:     "When changes of an SQLite database must be on the disk: `full`, before the answer is given, so that a power failure loses nothing, if the disk keeps what it has flushed; `normal`, within a second or so, so that a power failure loses the last changes. Neither loses anything when the daemon is killed.",
		}, {
			Key:     "store.cache_triplets",
			Default: 1_000_000,
			Kind:    number{0, 100_000_000},
			Comment: "How many passed triplets of an SQLite database are kept in memory, at most: 24\nbytes each; 0: none.",
			Doc:     "How many triplets that have passed are kept in memory, at most, with an SQLite database: 24 bytes each, 24 MB for the default. Mail of these needs no look-up in the database. `0` turns it off. What another program changes in the database counts from the next answer on; the daemon then reads the triplets again as mail for them comes. After a start it reads those that were stored last, in the background.",
			Restart: true,
		}, {
			Key:     "store.timeout",
			Default: 2 * time.Second,
			Kind:    duration{10 * time.Millisecond, 30 * time.Second, time.Millisecond},
			Comment: "How long one decision may wait for the database before on_error answers.",
			Doc:     "How long one decision may wait for the database before `on_error` answers. It must stay below the time that the MTA waits for the daemon (30 s for Postfix).",
		}, {
			Key:     "store.max_rows",
			Default: int64(20_000_000),
			Kind:    number{0, 1_000_000_000_000},
			Comment: "How many triplets are stored at most; 0: no limit. 10 million take about\n1.4 GB of disk.",
			Doc:     "How many triplets are stored at most, about; `0` is no limit. Ten million take about 1.4 GB of disk. Above the limit the daemon removes expired triplets first, then the newest waiting triplets of the networks that hold most, so that a flood of spam does not push out older ones; it never removes triplets that have passed. The log warns from nine tenths on. Daemons that share a PostgreSQL database should have the same limit.",
		}, {
			Key:     "store.history",
			Default: 400 * day,
			Kind:    duration{day, longest, time.Second},
			Comment: "How long the hourly counts that \"greyglass stats\" shows are kept.",
			Doc:     "How long the hourly counts are kept that `greyglass stats` shows. They hold no addresses; a year of them takes some megabytes.",
		},
	},
}

var logSection = Section{
	Name: "log",
	Doc:  "What is logged, and how.",
	Options: []Option{
		{
			Key:     "log.level",
			Default: "info",
			Kind:    choice{"debug", "info", "warn", "error"},
			Comment: "debug, info, warn or error; decisions are logged at info.",
			Doc:     "The least level that is logged. There is one line for each recipient at `info`.",
		}, {
			Key:     "log.format",
			Default: "text",
			Kind:    choice{"text", "json"},
			Comment: "text or json.",
			Doc:     "`text` is key=value pairs, `json` one object a line.",
		}, {
			Key:     "log.private",
			Default: false,
			Kind:    boolean{},
			Comment: "Log addresses, clients and HELO names as hashes.",
			Doc:     "Whether the log has hashes in the place of addresses, clients and HELO names: the first 16 digits of the SHA-256 sum in hexadecimal. To find the lines of an address: `printf %s ann@example.net | sha256sum | cut -c1-16`.",
		},
	},
}

var limitsSection = Section{
	Name: "limits",
	Doc:  "Limits on the resources of peers.",
	Options: []Option{
		{
			Key:     "limits.connections",
			Default: 4000,
			Kind:    number{1, 1000000},
			Comment: "Connections that are served at one time by milter, and as many by policy.",
			Doc:     "How many connections are served at one time by milter, and as many again by policy. It should be at least the number of SMTP sessions that the MTAs allow. At the limit the daemon closes another connection: one that has sent nothing yet, else the one that has been idle longest without a message, else one that has been idle in its message for more than 10 minutes. If there is none, it refuses the new one. What the MTA does then is on its page in `contrib`.",
		}, {
			Key:     "limits.connections_per_address",
			Default: 2000,
			Kind:    number{1, 1000000},
			Comment: "Of these from one network address or, by unix socket, from one user.",
			Doc:     "How many of these may come from one network address or, by unix socket, from one user. An MTA has one address, or user, for all its sessions. At this limit the daemon closes another connection from there, as above.",
		}, {
			Key:     "limits.memory",
			Default: 0,
			Kind:    number{0, 1 << 40},
			Comment: "A soft limit on memory, in octets; 0: three quarters of what systemd\n(MemoryMax=) or the container allows.",
			Doc:     "A soft limit on memory, in octets, from which on the daemon collects garbage more eagerly. `0` is three quarters of the limit of the control group (`MemoryMax=` of the unit, or the container's limit), if it has one; the environment variable `GOMEMLIMIT` overrides that.",
		}, {
			Key:     "limits.negotiate_timeout",
			Default: 5 * time.Second,
			Kind:    timeout,
			Comment: "How long a new connection may take to send its first request.",
			Doc:     "How long a new connection may take to negotiate, before it is closed.",
		}, {
			Key:     "limits.command_timeout",
			Default: 30 * time.Second,
			Kind:    timeout,
			Comment: "How long the rest of a request may take once it has begun.",
			Doc:     "How long the rest of a milter frame or policy request may take once its first byte is there, before the connection is closed.",
		}, {
			Key:     "limits.idle_timeout",
			Default: 7260 * time.Second,
			Kind:    duration{7210 * time.Second, longest, time.Millisecond},
			Comment: "How long a connection may be silent; MTAs are silent for up to two hours.",
			Doc:     "How long a negotiated connection may be silent between two requests, before it is closed. MTAs are silent while their own client sends a message, which may take two hours.",
		}, {
			Key:     "limits.recipients",
			Default: 1000,
			Kind:    number{1, 1000000},
			Comment: "Recipients of one message that are kept to be judged at DATA.",
			Doc:     "How many recipients of one message from a null sender or a prober are kept, to be judged at DATA.",
		}, {
			Key:     "limits.line_length",
			Default: listen.DefaultLine,
			Kind:    number{1024, 1 << 20},
			Comment: "Octets of one SMTP command by milter, or of one attribute by policy.",
			Doc:     "How many octets one SMTP command may have by milter, or one attribute by policy. The connection of a peer that sends more is closed.",
		}, {
			Key:     "limits.request_size",
			Default: listen.DefaultRequest,
			Kind:    number{4096, 1 << 24},
			Comment: "Octets of one milter frame, or of one policy request.",
			Doc:     "How many octets a milter frame or a policy request may have. A peer that sends more is closed on, before memory is taken for it.",
		}, {
			Key:     "limits.attributes",
			Default: listen.DefaultAttributes,
			Kind:    number{30, 100000},
			Comment: "Attributes of one policy request.",
			Doc:     "How many attributes a policy request may have. Postfix sends some 30.",
		},
	},
}

// timeout is how long a peer may take.
var timeout = duration{100 * time.Millisecond, time.Hour, time.Millisecond}

// longest is the longest time that can be configured, a hundred years.
const longest = 100 * 365 * day

const day = 24 * time.Hour
