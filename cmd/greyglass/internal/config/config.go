// Package config reads the configuration of Greyglass: the defaults, overridden by a
// profile, a TOML file, environment variables and the command line, in this order. It reports all
// problems together, and makes the typed [Config] and the [judge.Policy] from it.
//
// One table of [Option] values has all keys. The defaults, the sample file and the
// reference are made from it.
package config

import (
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// Config is a whole configuration. [Load] has checked that every address, reply and
// pattern in it can be parsed. It must not be changed.
type Config struct {
	Listen   Listen   `koanf:"listen"`
	Store    Store    `koanf:"store"`
	Greylist Greylist `koanf:"greylist"`
	Rules    Rules    `koanf:"rules"`
	Blocked  Blocked  `koanf:"blocked"`
	Reply    Reply    `koanf:"reply"`
	DNS      DNS      `koanf:"dns"`
	Learn    Learn    `koanf:"learn"`
	Log      Log      `koanf:"log"`
	Limits   Limits   `koanf:"limits"`
	Web      Web      `koanf:"web"`
	Rule     []Rule   `koanf:"rule"` // in their order
}

// Listen is where the daemon listens.
type Listen struct {
	Milter      []string `koanf:"milter"` // see listen.ParseAddress
	Policy      []string `koanf:"policy"`
	HTTP        string   `koanf:"http"`         // host:port; empty: not at all
	HTTPPublic  bool     `koanf:"http_public"`  // may be reached from other machines
	SocketMode  string   `koanf:"socket_mode"`  // octal; see Mode
	SocketGroup string   `koanf:"socket_group"` // empty: the daemon's own
}

// HTTPAddress returns the address of HTTP as listen.ParseAddress reads it.
func (l Listen) HTTPAddress() string { return asInet(l.HTTP) }

// asInet turns HOST:PORT, or systemd:NAME, into an address as listen.ParseAddress reads it.
func asInet(s string) string {
	if strings.HasPrefix(s, systemdScheme) {
		return s
	}
	return "inet:" + s
}

// Mode returns the permissions of the unix sockets.
func (l Listen) Mode() fs.FileMode {
	mode, _ := strconv.ParseUint(l.SocketMode, 8, 9) // checked by Load
	return fs.FileMode(mode)
}

// Store configures the database, and the answers while it fails.
type Store struct {
	URL          string        `koanf:"url"` // sqlite:FILE or postgres://…
	PasswordFile string        `koanf:"password_file"`
	OnError      string        `koanf:"on_error"`
	ErrorReply   string        `koanf:"error_reply"`
	Synchronous  string        `koanf:"synchronous"`    // full or normal
	Cache        int           `koanf:"cache_triplets"` // 0: none
	Timeout      time.Duration `koanf:"timeout"`
	MaxRows      int64         `koanf:"max_rows"` // triplets; 0: any number
	History      time.Duration `koanf:"history"`  // how long it is kept
}

// Shown is the URL without its password, for logs.
func (s Store) Shown() string { return maskPassword(s.URL) }

// SQLite returns the file of an SQLite database; ok is false for other databases.
func (s Store) SQLite() (file string, ok bool) { return strings.CutPrefix(s.URL, sqliteScheme) }

// Greylist configures the greylist. The four windows are whole seconds.
type Greylist struct {
	Profile          string        `koanf:"profile"` // classic, or the name of one of package profiles
	Mode             string        `koanf:"mode"`    // enforce or observe
	TooSoon          time.Duration `koanf:"too_soon"`
	MinDeferTime     time.Duration `koanf:"min_defer_time"`
	MaxDeferTime     time.Duration `koanf:"max_defer_time"`
	MaxGrey          time.Duration `koanf:"max_grey"`
	ClientPrefixIPv4 int           `koanf:"client_prefix_ipv4"` // bits
	ClientPrefixIPv6 int           `koanf:"client_prefix_ipv6"` // bits
	ClientIdentity   string        `koanf:"client_identity"`    // address or provider
	SenderIdentity   string        `koanf:"sender_identity"`    // exact or normalized
	Reply            string        `koanf:"reply"`
	Header           bool          `koanf:"header"`
	ProbeSenders     []string      `koanf:"probe_senders"`
}

// Rules configures the lists, except those of [Blocked].
type Rules struct {
	AcceptLoopback                bool       `koanf:"accept_loopback"`
	AcceptVerifiedTLS             bool       `koanf:"accept_verified_tls"`
	AllowedSenders                []string   `koanf:"allowed_senders"`
	AllowedSenderNets             []string   `koanf:"allowed_sender_nets"`
	AllowedDomains                []string   `koanf:"allowed_domains"`
	ForeignDomainAction           string     `koanf:"foreign_domain_action"` // defer, deny or accept
	ForeignDeferReply             string     `koanf:"foreign_defer_reply"`
	ForeignDenyReply              string     `koanf:"foreign_deny_reply"`
	WhitelistedTriples            [][]string `koanf:"whitelisted_triples"`
	WhitelistedNonstandardTriples [][]string `koanf:"whitelisted_nonstandard_triples"`
}

// Blocked configures blocked senders. An empty file name is an empty list.
type Blocked struct {
	SendersFile    string `koanf:"senders_file"`
	ExceptionsFile string `koanf:"exceptions_file"`
	Action         string `koanf:"action"` // defer or deny
	DeferReply     string `koanf:"defer_reply"`
	DenyReply      string `koanf:"deny_reply"`
}

// Log is what is logged, and how.
type Log struct {
	Level   string `koanf:"level"`   // debug, info, warn or error
	Format  string `koanf:"format"`  // text or json
	Private bool   `koanf:"private"` // addresses as hashes
}

// Limits bound the resources of peers.
type Limits struct {
	Connections      int           `koanf:"connections"`
	NegotiateTimeout time.Duration `koanf:"negotiate_timeout"`
	CommandTimeout   time.Duration `koanf:"command_timeout"`
	IdleTimeout      time.Duration `koanf:"idle_timeout"`
	Recipients       int           `koanf:"recipients"`
	PerAddress       int           `koanf:"connections_per_address"`
	LineLength       int           `koanf:"line_length"`  // octets
	RequestSize      int           `koanf:"request_size"` // octets
	Attributes       int           `koanf:"attributes"`
	Memory           int           `koanf:"memory"` // octets; 0: by the control group
}
