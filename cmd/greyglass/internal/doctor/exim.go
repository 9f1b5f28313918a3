package doctor

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"greyglass/milter"
)

// exim is Exim's configuration, as "exim -bP" prints it.
type exim struct {
	acls    map[string]string // the text of each, by name
	options map[string]string
}

func lookAtExim(ctx context.Context, v *visit) {
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
	first, a, found := c.ours(ctx, v, "acl_smtp_rcpt")
	second, _, again := c.ours(ctx, v, "acl_smtp_predata")
	if !again {
		second, _, again = c.ours(ctx, v, "acl_smtp_data")
	}
	const atData = "put the lines of contrib/exim/predata.conf into the ACL that acl_smtp_predata names, before its accept, and restart Exim"
	switch {
	case !found && !again:
		v.ok("does not ask Greyglass")
		return
	case !found:
		v.wrong("put the lines of contrib/exim/rcpt.conf into the ACL that acl_smtp_rcpt names, after the check against relaying, and restart Exim",
			"asks Greyglass about messages, but never about a recipient (in the ACL of acl_smtp_rcpt)")
		first = second
	default:
		v.ok("asks Greyglass as a policy service (%s, by readsocket %s)", "acl_smtp_rcpt = "+c.options["acl_smtp_rcpt"], first.socket)
	}
	v.attached = append(v.attached, "Exim")
	if a.Network == "unix" {
		v.lookAtSocket(a.Addr, "Exim", cmp.Or(c.options["exim_user"], "Debian-exim"))
	}
	if found && !again {
		v.wrong(atData, "mail from the null sender (bounces, and spam that looks like them) is never greylisted, because it is not asked about again at DATA (acl_smtp_predata)")
	} else if found {
		v.ok("asks again at DATA, so that bounces are greylisted")
	}
	v.lookAtReadsocket(first)
	if again && second != first {
		v.lookAtReadsocket(second)
	}
}

// lookAtReadsocket looks what happens to mail while the daemon is down or hangs.
func (v *visit) lookAtReadsocket(r readsocket) {
	const asShipped = "write it as contrib/exim/acl_greyglass.conf has it: ${readsocket{…}{…}{5s}{}{action=DUNNO}}"
	switch {
	case !r.hasFailure:
		v.wrong(asShipped, "mail is held up when Greyglass is down: readsocket has no fifth argument, which stands for the answer then")
	case strings.HasPrefix(r.failure, "action=4"), strings.HasPrefix(r.failure, "action=5"):
		v.wrong(asShipped, "mail is held up or refused when Greyglass is down (readsocket takes %q for the answer then)", r.failure)
	default:
		v.ok("mail goes on when Greyglass is down (readsocket takes %q for the answer then)", r.failure)
	}
	patience, options, _ := strings.Cut(r.options, ":")
	if strings.Contains(options, "shutdown=no") {
		v.wrong("remove shutdown=no", "readsocket has shutdown=no, so that Greyglass does not close and each answer is lost")
	}
	const longest = 30 * time.Second
	if d, ok := postfixTime(patience); ok && d > longest {
		v.warn("write {5s} there", "a hanging Greyglass would hold up each recipient for %v", d)
	}
}

// ours finds the readsocket that asks us among all ACLs which the one that an
// option names comes to.
func (c *exim) ours(ctx context.Context, v *visit, option string) (readsocket, milter.Address, bool) {
	for _, r := range readsockets(c.reach(c.options[option])) {
		theirs, err := milter.ParseAddress(r.socket)
		if err != nil {
			continue
		}
		if a, found := v.ours(ctx, byPolicy, theirs); found {
			return r, a, true
		}
	}
	return readsocket{}, milter.Address{}, false
}

// reach is a text, which may name ACLs, with that of all ACLs that are named.
func (c *exim) reach(text string) string {
	var seen []string
	for i := 0; i < len(text); {
		word, size := nameAt(text[i:])
		if _, isACL := c.acls[word]; isACL && !slices.Contains(seen, word) {
			seen = append(seen, word)
			text += "\n" + c.acls[word]
		}
		i += max(size, 1)
	}
	return text
}

// nameAt returns the name of an ACL that a text begins with, if it does.
func nameAt(text string) (name string, size int) {
	for size < len(text) && isNameByte(text[size]) {
		size++
	}
	return text[:size], size
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.'
}

func (v *visit) readExim(ctx context.Context) (c *exim, err error) {
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
	options, err := run(program, "acl_smtp_rcpt", "acl_smtp_predata", "acl_smtp_data", "exim_user")
	if err != nil {
		return nil, err
	}
	c = &exim{acls: parseACLs(text), options: make(map[string]string)}
	for line := range strings.Lines(options) {
		name, value, _ := strings.Cut(line, "=")
		c.options[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return c, nil
}
