package maillog

import (
	"bytes"
	"net/netip"
	"time"
)

// exim reads a line of Exim's main log: "QUEUEID FLAG …", or "H=… rejected RCPT …".
func (q *queue) exim(text []byte) {
	if _, rest, alone, ok := (&calendar{zone: time.UTC}).parse(text); ok && alone {
		text = withoutPID(rest) // in syslog Exim writes the time once more (syslog_timestamp)
	}
	id, rest, _ := bytes.Cut(text, space)
	ok := true
	switch {
	case isEximID(id):
		ok = q.eximMessage(id, rest)
	case bytes.HasPrefix(text, []byte("H=")):
		ok = q.eximRefusal(nil, text)
	case bytes.HasPrefix(text, []byte("#")):
		q.rspamd(text) // whose own file has the same times
	}
	if !ok {
		q.logs.Counts.Unclear++
	}
}

// isEximID reports whether a word is a queue ID: of 6-6-2 letters and digits, or 6-11-4
// since Exim 4.97.
func isEximID(b []byte) bool {
	if len(b) != 16 && len(b) != 23 || b[6] != '-' || b[len(b)-3] != '-' && b[len(b)-5] != '-' {
		return false
	}
	for _, c := range b {
		if c != '-' && (c < '0' || c > '9' && c < 'A' || c > 'Z' && c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

func (q *queue) eximMessage(id, text []byte) bool {
	flag, rest, _ := bytes.Cut(text, space)
	switch string(flag) {
	case "<=":
		return q.eximBegin(id, rest)
	case "=>", "->", ">>":
		return q.eximDelivery(id, rest)
	case "Completed":
		if m := q.find(id); m != nil {
			q.end(m)
		}
	}
	if bytes.HasPrefix(text, []byte("H=")) {
		return q.eximRefusal(id, text)
	}
	return true
}

// eximBegin reads the begin of a message:
//
//	SENDER [R=ID] [H=HOST [I=[IP]:PORT]] [U=IDENT] P=PROTOCOL … S=SIZE [id=MESSAGEID] …
func (q *queue) eximBegin(id, text []byte) bool {
	sender, rest, ok := bytes.Cut(text, space)
	if !ok || string(sender) != "<>" && !isAddress(sender) {
		return false
	}
	if bytes.Count(rest, []byte("P=")) > 1 && bytes.Count(append([]byte(" "), rest...), []byte(" P=")) > 1 {
		return false // one of them is the client's
	}
	var m message
	if after, ok := cut(rest, "R="); ok {
		_, rest, _ = bytes.Cut(after, space)
	}
	rest = bytes.TrimPrefix(rest, []byte("DS "))
	if after, ok := cut(rest, "H="); ok {
		if rest, ok = m.cutEximHost(after); !ok {
			return false
		}
		rest = bytes.TrimPrefix(rest, space)
	} else {
		m.local = true
	}
	for len(rest) > 0 {
		var word []byte
		word, rest, _ = bytes.Cut(rest, space)
		protocol, ok := cut(word, "P=")
		if !ok {
			if bytes.HasPrefix(word, []byte("I=[")) || bytes.HasPrefix(word, []byte("U=")) || bytes.HasPrefix(word, []byte("TFO")) {
				continue
			}
			return false
		}
		m.authenticated = isOneOf(protocol, "asmtp", "esmtpa", "esmtpsa", "smtpa", "smtpsa", "utf8esmtpa", "utf8esmtpsa", "local-esmtpa")
		break
	}
	open := q.find(id)
	if open == nil || open.hasSender {
		open = q.begin(id)
	}
	open.client, open.name, open.helo, open.local, open.authenticated = m.client, m.name, m.helo, m.local, m.authenticated
	open.hasSender = true
	if string(sender) != "<>" {
		open.sender = string(sender)
	}
	if _, after, ok := bytes.Cut(rest, []byte(" id=")); ok {
		messageID, _, _ := bytes.Cut(after, space)
		q.identify(open, messageID)
	}
	return true
}

// cutEximHost reads "[NAME ][(HELO) ][IP][:PORT]".
func (m *message) cutEximHost(b []byte) (rest []byte, ok bool) {
	var name, helo []byte
	if len(b) > 0 && b[0] != '(' && b[0] != '[' {
		if name, b, ok = bytes.Cut(b, space); !ok || !isHostName(name) {
			return nil, false
		}
		helo = name // it has given its own name
	}
	if len(b) > 0 && b[0] == '(' {
		end := bytes.Index(b, []byte(") "))
		if end < 0 || !isHELO(b[1:end]) {
			return nil, false
		}
		helo, b = b[1:end], b[end+2:]
	}
	var ip netip.Addr
	if ip, rest, ok = cutIP(b); !ok {
		return nil, false
	}
	m.client, m.name, m.helo = ip, string(name), string(helo)
	return rest, true
}

// eximDelivery reads a delivery:
//
//	ADDRESS [<RECIPIENT>] [F=<SENDER>] [P=<SENDER>] R=ROUTER T=TRANSPORT [H=HOST [IP]] …
func (q *queue) eximDelivery(id, text []byte) bool {
	to, rest, ok := bytes.Cut(text, []byte(" R="))
	if !ok {
		return false
	}
	for _, field := range []string{" F=<", " P=<"} {
		to, _, _ = bytes.Cut(to, []byte(field))
	}
	address, place, alias := to, mailbox, false
	if i := bytes.LastIndex(to, []byte(" <")); i >= 0 {
		original, after, ok := cutAddress(to[i+1:])
		if !ok || len(original) == 0 || len(after) > 0 {
			return false
		}
		address, to, alias = to[:i], original, true
	}
	switch {
	case string(address) == ":blackhole:":
		place = discarded
	case bytes.HasPrefix(address, []byte("|")), bytes.HasPrefix(address, []byte("/")), bytes.HasPrefix(address, []byte(">")):
		// A program, a file, an autoreply.
	default:
		address, _, _ = bytes.Cut(address, []byte(" (")) // those in between
		if !isAddress(address) {
			return false
		}
	}
	if !isAddress(to) {
		return false
	}
	_, rest, _ = bytes.Cut(rest, space) // the router
	if after, ok := cut(rest, "T="); ok {
		_, rest, _ = bytes.Cut(after, space)
	}
	if size, after, _ := bytes.Cut(rest, space); bytes.HasPrefix(size, []byte("S=")) && isNumber(size[len("S="):]) {
		rest = after
	}
	if after, ok := cut(rest, "H="); ok && place == mailbox {
		var server message
		place = outside
		if _, ok := server.cutEximHost(after); ok {
			place = placeOf(server.client)
		}
	}
	q.delivered(q.findOrBegin(id), to, place, alias)
	return true
}

// eximRefusal reads a refusal:
//
//	H=HOST [KEY=VALUE …] F=<SENDER> [temporarily ]rejected RCPT <RECIPIENT>: TEXT
func (q *queue) eximRefusal(id, text []byte) bool {
	var m message
	rest, ok := m.cutEximHost(text[len("H="):])
	if !ok {
		return !bytes.Contains(text, []byte("rejected ")) // connection trouble
	}
	for {
		after, ok := cut(rest, " F=")
		if ok {
			rest = after
			break
		}
		word, after, ok := bytes.Cut(bytes.TrimPrefix(rest, space), space)
		if !ok || bytes.IndexByte(word, '=') < 0 {
			if bytes.Contains(rest, []byte("rejected ")) {
				q.logs.Counts.Unnamed++
			}
			return true
		}
		if bytes.HasPrefix(word, []byte("A=")) {
			m.authenticated = true
		}
		rest = rest[len(rest)-len(after)-1:]
	}
	sender, rest, ok := cutAddress(rest)
	if !ok {
		return false
	}
	outcome := Rejected
	rest = bytes.TrimPrefix(rest, space)
	if after, ok := cut(rest, "temporarily "); ok {
		rest, outcome = after, Deferred
	}
	if rest, ok = cut(rest, "rejected RCPT "); !ok {
		if bytes.HasPrefix(rest, []byte("rejected ")) {
			q.logs.Counts.Unnamed++
		}
		return true
	}
	recipient, reply, ok := cutAddress(rest)
	if reply, ok = cutAfter(reply, ok, ": "); !ok || len(recipient) == 0 || bytes.Contains(reply, []byte(" rejected RCPT <")) {
		return false
	}
	m.id, m.sender, m.hasSender = string(id), string(sender), true
	q.refuse(&m, refusal{string(recipient), string(reply), outcome})
	return true
}
