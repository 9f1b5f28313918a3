package config

import (
	"time"

	"greyglass/greylist"
	"greyglass/milter/listen"
)

var listenSection = Section{
	Name: "listen",
	Doc:  "Where the daemon listens. By default there are inet sockets for Postfix, whose smtpd is chrooted on Debian, and unix sockets for Sendmail and Exim. A change takes effect when the daemon is restarted.",
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
			Doc:     "Where the daemon serves metrics (`/metrics`) and health (`/healthz`, `/readyz`) by HTTP, such as `127.0.0.1:8896`. Empty turns it off. There is no password, so an address that other machines can reach needs `listen.http_public`.",
			Restart: true,
		}, {
			Key:     "listen.http_public",
			Default: false,
			Kind:    boolean{},
			Comment: "Allow listen.http to be an address that other machines can reach.",
			Doc:     "Whether `listen.http` may be an address that other machines can reach. The pages contain no mail addresses, but everyone who can reach them can read how much mail there is and whether the daemon is well.",
			Restart: true,
		}, {
			Key:     "listen.socket_mode",
			Default: "0660",
			Kind:    text{checkMode, "an octal mode up to `0777`, in quotes"},
			Comment: "Permissions of the unix sockets, in octal.",
			Doc:     "The permissions of the unix sockets. An MTA needs the right to write to a socket.",
			Restart: true,
		}, {
			Key:     "listen.socket_group",
			Default: "",
			Kind:    text{},
			Comment: "Group of the unix sockets, by name; empty: the daemon's own.",
			Doc:     "The group of the unix sockets, by name. An MTA in this group can connect. Empty is the daemon's own group.",
			Restart: true,
		},
	},
}

const listenSpellings = "`unix:/PATH` (or `local:/PATH`), `inet:HOST:PORT`, `inet:PORT@HOST`, `inet6:[ADDRESS]:PORT`, `inet6:PORT@HOST`, `systemd:NAME`"

var storeSection = Section{
	Name: "store",
	Doc:  "The database, and the answer while it fails.",
	Options: []Option{
		{
			Key:     "store.url",
			Default: "sqlite:/var/lib/greyglass/greyglass.db",
			Kind:    text{checkStore, "`sqlite:FILE` or `postgres://USER@HOST/DATABASE`"},
			Comment: "The database: sqlite:FILE, or postgres://USER@HOST/DATABASE for several MXs.",
			Doc:     "The database. The daemon creates an SQLite file when it first starts; a relative path counts from the working folder. Any number of daemons can share a PostgreSQL database: see `postgres/README.md` in `contrib`, or in `/usr/share/doc/greyglass/examples`. Its URL may name several hosts (`postgres://USER@HOST1,HOST2:5433/DATABASE`), of which the daemon uses the one that accepts writes. It may have parameters of libpq, such as `sslmode=verify-full`. A change takes effect when the daemon is restarted.",
			Secret:  true,
			Restart: true,
		}, {
			Key:     "store.password_file",
			Default: "",
			Kind:    text{checkFile, "a file, or empty"},
			Comment: "A file whose first line is the password for PostgreSQL.",
			Doc:     "A file whose first line is the password for PostgreSQL. The daemon's user must be able to read it. The daemon reads it for each connection, so a new password needs no restart. If empty, the password comes from the URL, the environment variable `PGPASSWORD`, or the file that `PGPASSFILE` names (`~/.pgpass`), whichever is found first. An SQLite database has no password.",
			Restart: true,
		}, {
			Key:     "store.on_error",
			Default: "accept",
			Kind:    choice{"accept", "defer"},
			Comment: "What to answer when the database fails: accept or defer.",
			Doc:     "The answer while the database fails or is too slow: `accept` lets spam in for a while, `defer` delays all mail that no rule accepts before.",
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
			Doc:     "When changes of an SQLite database must be on the disk. `full`: before the answer, so that a power failure loses nothing, if the disk keeps what it has flushed. `normal`: within about a second, so that a power failure loses the last changes. If the daemon is killed, nothing is lost in either case.",
		}, {
			Key:     "store.cache_triplets",
			Default: 1_000_000,
			Kind:    number{0, 100_000_000},
			Comment: "How many passed triplets of an SQLite database are kept in memory, at most: 24\nbytes each; 0: none.",
			Doc:     "How many passed triplets of an SQLite database the daemon keeps in memory, at most: 24 bytes each, 24 MB for the default. Mail of these triplets needs no look-up in the database. `0` turns it off. Changes by other programs take effect from the next answer on: the daemon then drops what it keeps, and reads the triplets again as mail comes. After a start the daemon reads the newest triplets in the background.",
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
			Doc:     "About how many triplets are stored at most; `0` is no limit. Ten million take about 1.4 GB of disk. Above the limit the daemon removes expired triplets first, then the newest waiting triplets of the networks that hold most, so that a flood of spam does not push out older ones; it never removes triplets that have passed. The log warns from nine tenths on. Daemons that share a PostgreSQL database should have the same limit.",
		}, {
			Key:     "store.history",
			Default: 400 * day,
			Kind:    duration{day, longest, time.Second},
			Comment: "How long the hourly counts that \"greyglass stats\" shows are kept.",
			Doc:     "How long the hourly counts for `greyglass stats` are kept. They contain no addresses, and take some megabytes a year.",
		},
	},
}

var logSection = Section{
	Name: "log",
	Doc:  "What the daemon logs, and how.",
	Options: []Option{
		{
			Key:     "log.level",
			Default: "info",
			Kind:    choice{"debug", "info", "warn", "error"},
			Comment: "debug, info, warn or error; decisions are logged at info.",
			Doc:     "The lowest level that is logged. Decisions, one line for each recipient, have the level `info`.",
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
			Doc:     "Whether the log has hashes instead of addresses, clients and HELO names: the first 16 hexadecimal digits of the SHA-256 sum. To find the lines of an address: `printf %s ann@example.net | sha256sum | cut -c1-16`.",
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
			Doc:     "A soft limit on memory, in octets. Near it the daemon collects garbage more often. `0` is three quarters of the limit of the control group (`MemoryMax=` of the unit, or the container's limit), if it has one; the environment variable `GOMEMLIMIT` overrides that.",
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
			Doc:     "How many recipients of one bounce or callout the daemon keeps, to judge them at DATA.",
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
			Doc:     "How many octets a milter frame or a policy request may have. The connection of a peer that sends more is closed, before memory is allocated for it.",
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
