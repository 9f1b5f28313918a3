package config

import (
	"net"
	"net/netip"
	"strings"

	"greyglass/greylist/address"
	"greyglass/greylist/problem"
)

const webListenKey = "web.listen"

var webSection = Section{
	Name: "web",
	Doc:  "The web page for people who answer questions about mail; see greyglass-web(7). It is off by default.",
	Options: []Option{
		{
			Key:     webListenKey,
			Default: "",
			Kind:    text{checkHTTP, "`HOST:PORT`, `systemd:NAME`, or empty"},
			Comment: "HOST:PORT of the web page, such as \"127.0.0.1:8898\"; empty: off.",
			Doc:     "Where the web page listens, such as `127.0.0.1:8898`. Empty turns it off. An address that other machines can reach needs `web.certificate`, or `web.proxies`.",
			Restart: true,
		}, {
			Key:     "web.names",
			Default: []string{},
			Kind:    list{each(checkWebName), "names of hosts, such as `mail.example.org`"},
			Comment: "The names by which browsers reach the page, such as [\"mail.example.org\"].",
			Doc:     "The names by which browsers reach the page, besides `localhost`, the name of this machine, the host of `web.listen` and the address. The page refuses requests for other names, so that no other web site can read it by a name of its own that points here (DNS rebinding).",
			Restart: true,
		}, {
			Key:     "web.users_file",
			Default: "",
			Kind:    text{checkFile, "a file, or empty"},
			Comment: "Who may log in: a file made by \"htpasswd -B\". Without users the page shows\nonly numbers.",
			Doc:     "A file of users and passwords, made by `htpasswd -B`. The daemon's user must be able to read it. All users in it may look. A change takes effect at once: a user who was removed, or has a new password, is logged out. While the daemon cannot read the file, it refuses logins. If this is empty, and `web.trust_header` too, the page shows only numbers, no addresses.",
			Restart: true,
		}, {
			Key:     "web.operators",
			Default: []string{},
			Kind:    list{each(checkUserName), "names of users"},
			Comment: "The users who may let mail in, forget and expect; the others may look.",
			Doc:     "The users who may also act: let a triplet pass, forget it, and expect mail. Each action is logged with the name of the user.",
			Restart: true,
		}, {
			Key:     "web.trust_header",
			Default: "",
			Kind:    text{checkHeader, "the name of a header field, or empty"},
			Comment: "The header field by which a reverse proxy of web.proxies names the user, such\nas \"X-Remote-User\".",
			Doc:     "The header field in which a reverse proxy names the user whom it has authenticated, such as `X-Remote-User`. It counts only from the addresses in `web.proxies`. The proxy must remove it from the requests of browsers. The page then has no login, and `web.users_file` must be empty.",
			Restart: true,
		}, {
			Key:     "web.proxies",
			Default: []string{},
			Kind:    list{each(checkWebProxy), "addresses and prefixes"},
			Comment: "The addresses of reverse proxies, such as [\"127.0.0.1\"].",
			Doc:     "The addresses of reverse proxies in front of the page. They must set `Host`, `X-Forwarded-For` and `X-Forwarded-Proto`, see greyglass-web(7). These fields, and `web.trust_header`, count only from these addresses. Without a certificate, only these addresses and this machine get an answer.",
			Restart: true,
		}, {
			Key:     "web.certificate",
			Default: "",
			Kind:    text{checkFile, "a file, or empty"},
			Comment: "The TLS certificate, with its chain, in PEM; read again when it is renewed.",
			Doc:     "The TLS certificate with its chain, in PEM. The daemon reads it again when the file has changed; if that fails, the previous one stays in use. Empty: no TLS.",
			Restart: true,
		}, {
			Key:     "web.key",
			Default: "",
			Kind:    text{checkFile, "a file, or empty"},
			Comment: "The key of web.certificate, in PEM.",
			Doc:     "The private key of `web.certificate`, in PEM, which the daemon's user must be able to read.",
			Restart: true,
		}, {
			Key:     "web.recent",
			Default: 20_000,
			Kind:    number{0, 1_000_000},
			Comment: "How many of the newest decisions are kept in memory for the page; 0: none.",
			Doc:     "How many of the newest decisions are kept in memory, so that the page can show what was answered, and find a queue ID: about 350 octets each. They are not kept with `log.private`, nor while `web.listen` is empty.",
			Restart: true,
		},
	},
}

// Web configures the web page.
type Web struct {
	Listen      string   `koanf:"listen"` // host:port or systemd:NAME; empty: off
	Names       []string `koanf:"names"`
	UsersFile   string   `koanf:"users_file"`
	Operators   []string `koanf:"operators"`
	TrustHeader string   `koanf:"trust_header"`
	Proxies     []string `koanf:"proxies"`
	Certificate string   `koanf:"certificate"`
	Key         string   `koanf:"key"`
	Recent      int      `koanf:"recent"` // decisions in memory
}

// Address returns the address as listen.ParseAddress reads it.
func (w Web) Address() string { return asInet(w.Listen) }

// ProxyPrefixes returns the addresses of the proxies.
func (w Web) ProxyPrefixes() (all []netip.Prefix) {
	for _, s := range w.Proxies {
		if p, err := address.ParsePrefix(s); err == nil { // checked by Load
			all = append(all, p)
		}
	}
	return all
}

func checkWebName(s string) error {
	if s == "" || strings.ContainsAny(s, "/:@ \t") {
		return problem.New("write a name alone, such as mail.example.org, without https:// and without a port", "not the name of a host")
	}
	return nil
}

func checkUserName(s string) error {
	if s == "" || strings.ContainsAny(s, ":\r\n\x00") {
		return problem.New("write it as in the users' file", "not the name of a user")
	}
	return nil
}

func checkWebProxy(s string) error {
	_, err := address.ParsePrefix(s)
	return err
}

func checkHeader(s string) error {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
		return problem.New("write a name such as X-Remote-User", "not the name of a header field")
	}
	return nil
}

// checkWeb finds a page that others could read or act on without a password or TLS.
func (m merged) checkWeb(problems *Problems) {
	w := m.config.Web
	report := func(key, value, detail, fix string) {
		if !problems.about(key) {
			problems.add(Problem{m.origins[key].String(), key, value, detail, fix})
		}
	}
	if (w.Certificate == "") != (w.Key == "") {
		key, other := "web.certificate", "web.key"
		if w.Key != "" {
			key, other = other, key
		}
		report(key, quote(w.Certificate+w.Key), "set without "+other, "set both, or none")
	}
	if w.TrustHeader != "" && w.UsersFile != "" {
		report("web.trust_header", quote(w.TrustHeader), "set together with web.users_file, but only one of them can say who a user is", "remove one of them")
	}
	if w.TrustHeader != "" && len(w.Proxies) == 0 {
		report("web.trust_header", quote(w.TrustHeader), "web.proxies is empty, so the field would never count", "name the addresses of the proxies in web.proxies")
	}
	host, _, err := net.SplitHostPort(w.Listen)
	if w.Certificate == "" && len(w.Proxies) == 0 && err == nil && !strings.HasPrefix(w.Listen, systemdScheme) && !isLoopback(host) {
		report(webListenKey, quote(w.Listen), "other machines can reach this address, and passwords and mail addresses would cross the network in clear text",
			"set web.certificate and web.key; or set web.proxies to a reverse proxy that has TLS; or choose 127.0.0.1")
	}
}
