package doctor

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// exim is Exim's configuration, as "exim -bP" prints it.
type exim struct {
	acls    map[string]string // the text of each, by name
	options map[string]string
	relays  relayClients // relay_from_hosts
}

func checkExim(ctx context.Context, v *exam) {
	c, err := v.readExim(ctx)
	switch {
	case notInstalled(err) && v.EximConfig == "":
		v.ok("not installed")
		return
	case err != nil:
		v.cannotRead("Exim", "see what 'exim -bV' says", err)
		return
	}
	v.mailServers = append(v.mailServers, "Exim")
	first, found := asked(c.questions(ctx, v, "acl_smtp_rcpt"))
	predata, atPredata := asked(c.questions(ctx, v, "acl_smtp_predata"))
	data, atData := asked(c.questions(ctx, v, "acl_smtp_data"))
	second := data
	if !atData {
		second = predata
	}
	if !found && !atPredata && !atData {
		v.ok("does not ask Greyglass")
		v.unasking = append(v.unasking, c.relays)
		return
	}
	v.checkFirst(c, first, found)
	if !found {
		first = second
	}
	v.attached = append(v.attached, "Exim")
	if first.address.Network == "unix" {
		v.checkSocket(first.address.Addr, "Exim", cmp.Or(c.options["exim_user"], "Debian-exim"))
	}
	if found {
		v.checkEnd(c, atPredata && predata.behind == "", atData && data.behind == "")
	}
	v.checkRelayClients(c.relays)
	v.checkReadsocket(first.readsocket)
	if (atPredata || atData) && second.readsocket != first.readsocket {
		v.checkReadsocket(second.readsocket)
	}
}

// checkFirst checks the question at RCPT.
func (v *exam) checkFirst(c *exim, q eximQuestion, found bool) {
	const restart = ", and restart Exim"
	place := "the lines of " + v.example("exim/rcpt.conf")
	switch {
	case !found:
		v.wrong("put "+place+" into the ACL that acl_smtp_rcpt names, after the check against relaying"+restart,
			"asks Greyglass about messages, but never about a recipient (in the ACL of acl_smtp_rcpt)")
		return
	case q.behind != "":
		v.wrong("move "+place+" before that "+q.verb+", after the check against relaying"+restart,
			"never asks Greyglass about a recipient, because the question stands behind an unconditional %q (in %s)", q.verb, q.behind)
		return
	}
	v.ok("asks Greyglass as a policy service (%s, by readsocket %s)", "acl_smtp_rcpt = "+c.options["acl_smtp_rcpt"], q.socket)
	fix := "move " + place + " behind the check against relaying (on Debian, \"require message = relay not permitted\") and before the last accept" + restart
	switch {
	case q.guarded:
		v.ok("asks only about mail that it would not refuse for relaying")
	case q.ahead:
		v.wrong(fix, "the question stands before the check against relaying, so that Greyglass stores mail that is refused anyway")
	default:
		v.warn(fix, "no check against relaying was found before the question; without one, Greyglass stores mail that is refused anyway")
	}
}

// checkEnd checks the question at DATA: Exim runs acl_smtp_predata at DATA, and
// acl_smtp_data at the end of every message.
func (v *exam) checkEnd(c *exim, predata, data bool) {
	const restart = ", and restart Exim"
	lines := v.example("exim/data.conf") + " into the ACL that acl_smtp_data names, before its accept"
	chunking := c.options["chunking_advertise_hosts"]
	switch offered := strings.Trim(chunking, ` :"`) != ""; {
	case predata && data:
		v.ok("asks again at DATA, and at the end of what comes by BDAT, so that bounces are greylisted")
	case data:
		v.ok("asks again at DATA, when the message has come, so that bounces are greylisted (acl_smtp_data)")
	case predata && !offered:
		v.ok("asks again at DATA, so that bounces are greylisted (acl_smtp_predata; BDAT is not offered)")
	case predata:
		v.wrong("put the lines of "+lines+restart,
			"mail from the null sender that comes by BDAT is never greylisted, because Exim does not look at acl_smtp_predata for it (chunking_advertise_hosts = %s)", chunking)
	default:
		v.wrong("put the lines of "+lines+", and those of "+v.example("exim/predata.conf")+" into that of acl_smtp_predata"+restart,
			"mail from the null sender (bounces, and spam that looks like them) is never greylisted, because it is not asked about again at DATA (acl_smtp_predata, acl_smtp_data)")
	}
}

// checkReadsocket checks what happens to mail while the daemon is down or hangs.
func (v *exam) checkReadsocket(r readsocket) {
	asShipped := "write it as " + v.example("exim/acl_greyglass.conf") + " has it: ${readsocket{…}{…}{5s}{}{action=DUNNO}}"
	switch {
	case !r.hasFailure:
		v.wrong(asShipped, "mail is held up when Greyglass is down: readsocket has no fifth argument, which stands for the answer then")
	case strings.HasPrefix(r.failure, "action=4"), strings.HasPrefix(r.failure, "action=5"):
		v.wrong(asShipped, "mail is held up or refused when Greyglass is down (readsocket takes %q for the answer then)", r.failure)
	default:
		v.ok("mail goes on when Greyglass is down (readsocket takes %q for the answer then)", r.failure)
	}
	timeout, options, _ := strings.Cut(r.options, ":")
	if strings.Contains(options, "shutdown=no") {
		v.wrong("remove shutdown=no", "readsocket has shutdown=no, so that Greyglass does not close and each answer is lost")
	}
	const longest = 30 * time.Second
	if d, ok := postfixTime(timeout); ok && d > longest {
		v.warn("write {5s} there", "a hanging Greyglass would hold up each recipient for %v", d)
	}
}

// nameAt returns the name of an ACL at the beginning of a text.
func nameAt(text string) (name string, size int) {
	for size < len(text) && isNameByte(text[size]) {
		size++
	}
	return text[:size], size
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.'
}

func (v *exam) readExim(ctx context.Context) (c *exim, err error) {
	var where []string
	if v.EximConfig != "" {
		where = []string{"-C", v.EximConfig}
	}
	run := func(program string, what ...string) (string, error) {
		return v.Machine.Run(ctx, program, slices.Concat(where, []string{"-bP"}, what)...)
	}
	program := "exim4" // Debian's name for it
	text, err := run(program, "config")
	if notInstalled(err) {
		program = "exim"
		text, err = run(program, "config")
	}
	if err != nil {
		return nil, err
	}
	options, err := run(program, "acl_smtp_rcpt", "acl_smtp_predata", "acl_smtp_data", "chunking_advertise_hosts", "exim_user")
	if err != nil {
		return nil, err
	}
	c = &exim{acls: parseACLs(text), options: make(map[string]string), relays: eximNetworks(text)}
	for line := range strings.Lines(options) {
		name, value, _ := strings.Cut(line, "=")
		c.options[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return c, nil
}
