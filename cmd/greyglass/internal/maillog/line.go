package maillog

import "bytes"

// line is a line of a log, taken apart. It is valid until the next one is read.
type line struct {
	at      int64 // Unix seconds
	host    []byte
	program []byte // without its process ID
	text    []byte
}

// eximAlone is the program of a log that Exim writes itself, without naming it.
var eximAlone = []byte("exim")

// parseLine takes a line of a text file apart: "TIME HOST PROGRAM[PID]: TEXT", in which
// the host may be missing, or Exim's "TIME TEXT".
func (c *calendar) parseLine(b []byte) (l line, ok bool) {
	if len(b) > 0 && b[0] == '<' { // the priority (RFC 3164, section 4.1.1)
		if end := bytes.IndexByte(b[:min(len(b), 5)], '>'); end > 0 {
			b = b[end+1:]
		}
	}
	var alone bool
	if l.at, b, alone, ok = c.parse(b); !ok {
		return l, false
	}
	if alone {
		l.program, l.text = eximAlone, withoutPID(b)
		return l, true
	}
	word, rest, ok := bytes.Cut(b, space)
	if !ok {
		return l, false
	}
	if !bytes.HasSuffix(word, []byte(":")) {
		l.host = word
		if word, rest, ok = bytes.Cut(rest, space); !ok || !bytes.HasSuffix(word, []byte(":")) {
			return l, false
		}
	}
	l.program, l.text = word[:len(word)-1], rest
	if i := bytes.IndexByte(l.program, '['); i > 0 {
		l.program = l.program[:i]
	}
	return l, true
}

// withoutPID removes the "[PID] " that Exim may write after the time.
func withoutPID(b []byte) []byte {
	if len(b) > 0 && b[0] == '[' {
		if pid, rest, ok := bytes.Cut(b[1:], []byte("] ")); ok && isNumber(pid) {
			return rest
		}
	}
	return b
}

// The programs whose lines are read.
type program byte

const (
	other program = iota
	postfix
	exim
	sendmail
	filter
)

// programOf tells the program by its name in the log. Of Postfix it returns the service:
// administrators choose what stands before the last slash.
func programOf(name []byte) (program, string) {
	base := name
	if i := bytes.LastIndexByte(name, '/'); i >= 0 {
		base = name[i+1:]
		if service, ok := services[string(base)]; ok {
			return postfix, service
		}
	}
	switch {
	case bytes.HasPrefix(base, []byte("exim")):
		return exim, ""
	case bytes.HasPrefix(base, []byte("sendmail")), bytes.HasPrefix(base, []byte("sm-")):
		return sendmail, ""
	case bytes.HasPrefix(base, []byte("amavis")):
		return filter, "amavis"
	case bytes.HasPrefix(base, []byte("dovecot")), bytes.HasPrefix(name, []byte("dovecot")):
		return filter, "dovecot"
	case bytes.HasPrefix(base, []byte("spamd")):
		return filter, "spamd"
	case bytes.HasPrefix(base, []byte("rspamd")):
		return filter, "rspamd"
	}
	return other, ""
}

// services are those of Postfix, by their names in the log: empty for one whose lines tell nothing.
var services = map[string]string{
	"smtpd": "smtpd", "postscreen": "postscreen", "pickup": "pickup", "cleanup": "cleanup", "qmgr": "qmgr", "nqmgr": "qmgr", "oqmgr": "qmgr",
	"smtp": "smtp", "lmtp": "lmtp", "local": "local", "virtual": "virtual", "pipe": "pipe", "discard": "discard",

	"error": "", "bounce": "", "trivial-rewrite": "", "anvil": "", "master": "", "scache": "", "tlsproxy": "", "verify": "", "proxymap": "",
	"postsuper": "", "sendmail": "", "postdrop": "", "dnsblog": "", "tlsmgr": "", "showq": "", "flush": "", "trace": "", "defer": "", "retry": "",
	"postfix-script": "", "postlog": "", "policyd-spf": "",
}
