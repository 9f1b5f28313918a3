package maillog

import "bytes"

// What filters log of a message only ever marks it as spam. So these lines are searched for
// queue IDs and message IDs, although clients choose what stands around them: a client can
// mark messages that should not be, which are then not learned.

// filter reads a line of a spam filter, or of what files mail.
func (q *queue) filter(name string, text []byte) {
	switch name {
	case "amavis":
		q.amavis(text)
	case "spamd":
		q.spamd(text)
	case "dovecot":
		q.dovecot(text)
	case "rspamd":
		q.rspamd(text)
	}
}

// amavis reads
//
//	(ID) Passed SPAM {…}, … Queue-ID: QUEUEID, Message-ID: <MESSAGEID>, …, queued_as: QUEUEID, …
//	(ID) Blocked SPAM {…}, …
//
// and other reasons to block than spam.
func (q *queue) amavis(text []byte) {
	_, rest, ok := bytes.Cut(text, []byte(") "))
	if !ok || text[0] != '(' {
		return
	}
	verdict, rest, _ := bytes.Cut(rest, space)
	what, _, _ := bytes.Cut(rest, space)
	if string(verdict) != "Blocked" && !(string(verdict) == "Passed" && isOneOf(what, "SPAM", "INFECTED", "BANNED")) {
		return
	}
	each(rest, "Message-ID: <", ">", q.markID)
	for _, key := range []string{"Queue-ID: ", "queued_as: "} {
		each(rest, key, ", ", func(ids []byte) {
			for id := range bytes.SplitSeq(ids, []byte("/")) {
				if m := q.find(id); m != nil {
					m.spam = true
				}
			}
		})
	}
}

// each calls f with what stands between each of a key and an end.
func each(b []byte, key, end string, f func(value []byte)) {
	for range 16 {
		_, after, ok := bytes.Cut(b, []byte(key))
		if !ok {
			return
		}
		value, _, _ := bytes.Cut(after, []byte(end))
		f(value)
		b = after
	}
}

// spamd reads "spamd: result: Y SCORE - TESTS …,mid=<MESSAGEID>,…".
func (q *queue) spamd(text []byte) {
	if rest, ok := cut(text, "spamd: result: Y "); ok {
		each(rest, ",mid=<", ">", q.markID)
	}
}

// dovecot reads, of its LMTP server or delivery program,
//
//	… msgid=<MESSAGEID>: stored mail into mailbox 'Junk'
//	… msgid=<MESSAGEID>: saved mail to Junk
func (q *queue) dovecot(text []byte) {
	for _, saved := range []string{"stored mail into mailbox ", "saved mail to "} {
		i := bytes.LastIndex(text, []byte(saved))
		if i < 0 || !isSpamFolder(bytes.Trim(text[i+len(saved):], "'\"")) {
			continue
		}
		if _, after, ok := bytes.Cut(text[:i], []byte("msgid=<")); ok {
			if end := bytes.LastIndexByte(after, '>'); end >= 0 {
				q.markID(after[:end])
			}
		}
	}
}

// isSpamFolder reports whether a mailbox is one where spam is put.
func isSpamFolder(name []byte) bool {
	if i := bytes.LastIndexAny(name, "./"); i >= 0 {
		name = name[i+1:]
	}
	for _, folder := range []string{"junk", "spam", "junk e-mail", "bulk mail"} {
		if bytes.EqualFold(name, []byte(folder)) {
			return true
		}
	}
	return false
}

// rspamd reads a result of rspamd, in syslog or in its own file:
//
//	…; rspamd_task_write_log: id: <MESSAGEID>, …: T (add header): [12.00/15.00] …
func (q *queue) rspamd(text []byte) {
	_, result, ok := bytes.Cut(text, []byte("rspamd_task_write_log: id: <"))
	if !ok {
		return
	}
	if bytes.Contains(result, []byte(" (add header): [")) || bytes.Contains(result, []byte(" (rewrite subject): [")) {
		if messageID, _, ok := bytes.Cut(result, []byte(">, ")); ok {
			q.markID(messageID)
		}
	}
}
