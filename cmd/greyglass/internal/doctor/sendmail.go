package doctor

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"greyglass/milter/listen"
)

const sendmailFile = "/etc/mail/sendmail.cf"

// sendmail is the part of sendmail.cf about milters (Sendmail's Installation and
// Operation Guide, sections 5.6 and 5.11).
type sendmail struct {
	filters map[string]filter // X lines, by name
	order   []string          // O InputMailFilters
	daemons []map[string]string
	user    string // O RunAsUser
	trusts  string // O DontBlameSendmail
	access  string // the file of K access
	relays  string // the file of class R
}

// filter is an X line.
type filter struct{ socket, flags, timeouts string }

func parseSendmail(text string) sendmail {
	c := sendmail{filters: make(map[string]filter), user: "root"}
	for line := range strings.Lines(joinLines(text)) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "X"); ok {
			name, rest, _ := strings.Cut(rest, ",")
			e := equates(rest)
			c.filters[strings.TrimSpace(name)] = filter{e["S"], e["F"], e["T"]}
		}
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Kaccess" {
			c.access = strings.TrimSuffix(fields[len(fields)-1], ".db")
		}
		if file, ok := strings.CutPrefix(line, "FR"); ok {
			c.relays = strings.TrimSpace(strings.TrimPrefix(file, "-o"))
		}
		option, ok := strings.CutPrefix(line, "O ")
		if !ok {
			continue
		}
		name, value, _ := strings.Cut(option, "=")
		switch value = strings.TrimSpace(value); strings.ToLower(strings.TrimSpace(name)) {
		case "inputmailfilters":
			c.order = names(value)
		case "daemonportoptions":
			c.daemons = append(c.daemons, equates(value))
		case "runasuser":
			c.user, _, _ = strings.Cut(value, ":")
		case "dontblamesendmail":
			c.trusts = strings.ToLower(value)
		}
	}
	return c
}

// joinLines joins continued lines: continuations begin with a space or a tab.
func joinLines(text string) string {
	return strings.NewReplacer("\n\t", " ", "\n ", " ").Replace(text)
}

// equates reads "Key=value, Key=value". Only the first letter of a key counts.
func equates(text string) map[string]string {
	all := make(map[string]string)
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if ok && key != "" {
			all[strings.ToUpper(key[:1])] = strings.TrimSpace(value)
		}
	}
	return all
}

func names(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(",; \t", r) })
}

func checkSendmail(ctx context.Context, v *exam) {
	file := cmp.Or(v.SendmailCF, sendmailFile)
	text, err := v.Machine.readFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && v.SendmailCF == "":
		v.ok("not installed")
		return
	case err != nil:
		v.cannotRead("Sendmail", "name its file with --sendmail-cf", err)
		return
	}
	v.mailServers = append(v.mailServers, "Sendmail")
	c := parseSendmail(text)
	access, _ := v.Machine.readFile(c.access)
	others, _ := v.Machine.readFile(c.relays)
	relays := sendmailNetworks(access, others)
	for _, name := range c.inOrder() {
		theirs, err := listen.ParseAddress(c.filters[name].socket)
		if err != nil {
			continue
		}
		if a, found := v.ours(ctx, byMilter, theirs); found {
			v.attached = append(v.attached, "Sendmail")
			v.checkFilter(c, name, a)
			v.checkRelayClients(relays)
			return
		}
	}
	v.ok("does not ask Greyglass (%s)", file)
	v.unasking = append(v.unasking, relays)
}

// inOrder returns the names of all filters, those of InputMailFilters first.
func (c sendmail) inOrder() (all []string) {
	for _, name := range c.order {
		if _, ok := c.filters[name]; ok {
			all = append(all, name)
		}
	}
	unasked := slices.DeleteFunc(slices.Sorted(maps.Keys(c.filters)), func(name string) bool { return slices.Contains(all, name) })
	return append(all, unasked...)
}

const rebuild = " in sendmail.mc, run 'sendmailconfig' or 'make -C /etc/mail', and restart Sendmail"

// checkFilter checks how Sendmail asks Greyglass, by the filter of this name.
func (v *exam) checkFilter(c sendmail, name string, a listen.Address) {
	f := c.filters[name]
	place := slices.Index(c.order, name)
	if place < 0 {
		v.wrong("define it by INPUT_MAIL_FILTER, not MAIL_FILTER,"+rebuild, "knows Greyglass (%s, %s), but does not ask it: InputMailFilters does not name it", name, f.socket)
		return
	}
	v.ok("asks Greyglass as a milter (%s, %s)", name, f.socket)
	for _, d := range c.daemons {
		if own := d["I"]; own != "" && !slices.Contains(names(own), name) && !slices.Contains([]string{"587", "465", "submission", "smtps"}, d["P"]) {
			v.wrong("put "+name+" into InputMailFilters= of that DAEMON_OPTIONS"+rebuild, "the daemon %s (port %s) asks other filters only", cmp.Or(d["N"], "without a name"), cmp.Or(d["P"], "25"))
		}
	}
	if a.Network == "unix" {
		v.checkSocket(a.Addr, "Sendmail", c.user)
		v.checkSafety(c, a.Addr)
	}
	switch {
	case strings.ContainsAny(f.flags, "RT4"):
		v.wrong("remove F="+f.flags+" from INPUT_MAIL_FILTER(`"+name+"', …)"+rebuild, "mail is held up or refused when Greyglass is down (F=%s)", f.flags)
	default:
		v.ok("mail goes on when Greyglass is down (no F=)")
	}
	if place > 0 {
		v.warn("put its INPUT_MAIL_FILTER line before the others"+rebuild, "asks %d other milter(s) before Greyglass (%s), which work for mail that is then deferred", place, strings.Join(c.order[:place], ", "))
	} else if len(c.order) > 1 {
		v.ok("asks Greyglass before other milters")
	}
	for part := range strings.SplitSeq(f.timeouts, ";") {
		timeout, ok := strings.CutPrefix(strings.TrimSpace(part), "R:")
		if d, known := postfixTime(timeout); ok && known && d <= v.config.Store.Timeout {
			v.warn("write R:30s in T= of its INPUT_MAIL_FILTER"+rebuild, "waits %v for an answer; Greyglass may wait that long for its database (store.timeout)", d)
		}
	}
}

// checkSafety finds folders that are writable for others than their owner; Sendmail takes
// no socket below them (cf/README, DontBlameSendmail).
func (v *exam) checkSafety(c sendmail, path string) {
	w, err := v.Machine.routeTo(path)
	if err != nil {
		return // checkDaemon has reported it
	}
	for _, folder := range w.folders() {
		const fix = "let Greyglass listen in a folder that its user alone may write to, such as /run/greyglass"
		switch open := folder.mode.Perm() & 0o022; {
		case open&0o002 != 0 && !(folder.mode&fs.ModeSticky != 0 && strings.Contains(c.trusts, "truststickybit")):
			v.wrong(fix, "takes no socket below %s, because all users may write to that folder", folder.path)
		case open&0o020 != 0 && !strings.Contains(c.trusts, "groupwritabledirpathsafe") && folder.mode&fs.ModeSticky == 0:
			v.warn(fix+", or 'chmod g-w "+folder.path+"'", "may refuse the socket, because a group may write to the folder %s", folder.path)
		}
	}
}
