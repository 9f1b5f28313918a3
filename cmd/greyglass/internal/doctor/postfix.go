package doctor

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"greyglass/milter/listen"
)

// postfix is Postfix's configuration, as postconf(1) shows it.
type postfix struct {
	main    map[string]string // main.cf, defaults included, $names expanded
	smtpd   []service         // of master.cf, those that receive mail from the network
	queue   string            // queue_directory, into which services may be chrooted
	account string            // mail_owner, as which they run
}

// service is a line of master.cf (master(5)) that runs smtpd.
type service struct {
	name     string // such as "smtp/inet"
	locked   bool   // chrooted
	main     map[string]string
	override map[string]string // by -o
}

// value returns the value of a parameter for the service.
func (s service) value(parameter string) string {
	if value, ok := s.override[parameter]; ok {
		return value
	}
	return s.main[parameter]
}

func checkPostfix(ctx context.Context, v *exam) {
	p, err := v.readPostfix(ctx)
	switch {
	case notInstalled(err) && v.PostfixConfig == "":
		v.ok("not installed")
		return
	case err != nil:
		v.cannotRead("Postfix", "see what 'postconf' and 'postfix check' say", err)
		return
	}
	v.mailServers = append(v.mailServers, "Postfix")
	v.smtpd = p.smtpd
	if len(p.smtpd) == 0 {
		v.ok("takes no mail from the network (no smtpd in master.cf)")
		return
	}
	var all [][]Finding
	asks := false
	for _, s := range p.smtpd {
		var found []Finding
		one := *v
		one.report = func(f Finding) { found = append(found, f) }
		asks = one.checkService(ctx, p, s) || asks
		all = append(all, found)
	}
	if asks {
		v.attached = append(v.attached, "Postfix")
	} else {
		v.unasking = append(v.unasking, v.Machine.postfixNetworks(p.smtpd[0].value("mynetworks"), 0))
	}
	alike := !slices.ContainsFunc(all, func(found []Finding) bool { return !slices.Equal(found, all[0]) })
	for i, found := range all {
		for _, f := range found {
			if !alike { // name the service
				f.Detail = p.smtpd[i].name + ": " + f.Detail
			}
			v.report(f)
		}
		if alike {
			break
		}
	}
}

func (v *exam) checkService(ctx context.Context, p *postfix, s service) (asks bool) {
	byMilter := v.checkMilters(ctx, p, s)
	byPolicy, ofRelayClients := v.checkPolicy(ctx, p, s)
	if byMilter || ofRelayClients {
		v.checkRelayClients(v.Machine.postfixNetworks(s.value("mynetworks"), 0))
	}
	if byMilter || byPolicy {
		v.checkTwice(ctx, p, s)
	}
	switch {
	case byMilter && byPolicy:
		v.warn("keep one of the two; the milter is the simpler one", "asks Greyglass twice, as a milter and as a policy service")
	case !byMilter && !byPolicy:
		v.ok("does not ask Greyglass")
	}
	return byMilter || byPolicy
}

func (v *exam) readPostfix(ctx context.Context) (*postfix, error) {
	var where []string
	if v.PostfixConfig != "" {
		where = []string{"-c", v.PostfixConfig}
	}
	var printed [3]string
	for i, what := range []string{"-x", "-M", "-Px"} {
		var err error
		if printed[i], err = v.Machine.Run(ctx, "postconf", append(where, what)...); err != nil {
			return nil, err
		}
	}
	p := &postfix{main: make(map[string]string)}
	for line := range strings.Lines(printed[0]) {
		name, value, _ := strings.Cut(line, "=")
		p.main[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	p.queue, p.account = p.main["queue_directory"], p.main["mail_owner"]
	overrides := make(map[string]map[string]string)
	for line := range strings.Lines(printed[2]) { // service/type/parameter = value
		name, value, _ := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if i := strings.LastIndexByte(name, '/'); i >= 0 {
			if overrides[name[:i]] == nil {
				overrides[name[:i]] = make(map[string]string)
			}
			overrides[name[:i]][name[i+1:]] = strings.TrimSpace(value)
		}
	}
	p.smtpd = p.receiving(printed[1], overrides)
	return p, nil
}

// receiving returns the services that receive mail from other servers: those at port 25
// or behind postscreen(8); if there are none, all but those for submission; if there are
// none, all.
func (p *postfix) receiving(master string, overrides map[string]map[string]string) []service {
	var all, some, best []service
	for line := range strings.Lines(master) {
		// service type private unpriv chroot wakeup maxproc command
		columns := strings.Fields(line)
		if len(columns) < 8 || filepath.Base(columns[7]) != "smtpd" {
			continue
		}
		name := columns[0] + "/" + columns[1]
		s := service{name: name, main: p.main, override: overrides[name], locked: p.locked(columns[4])}
		all = append(all, s)
		port := columns[0][strings.LastIndexByte(columns[0], ':')+1:]
		if !slices.Contains([]string{"submission", "submissions", "smtps", "587", "465"}, port) {
			some = append(some, s)
		}
		if port == "smtp" || port == "25" || columns[1] == "pass" {
			best = append(best, s)
		}
	}
	for _, services := range [][]service{best, some} {
		if len(services) > 0 {
			return services
		}
	}
	return all
}

// locked reads the fifth column of master.cf, chroot. Its default is "y" before Postfix
// 3.0, and with a compatibility_level below 1 (COMPATIBILITY_README).
func (p *postfix) locked(column string) bool {
	level, _, _ := strings.Cut(p.main["compatibility_level"], ".")
	n, err := strconv.Atoi(level)
	return column == "y" || column == "-" && (err != nil || n < 1)
}

// elements splits a list at commas and spaces outside of braces.
func elements(list string) (all []string) {
	depth, from := 0, -1
	end := func(i int) {
		if from >= 0 {
			all = append(all, list[from:i])
			from = -1
		}
	}
	for i, c := range list {
		switch {
		case c == '{':
			depth++
		case c == '}':
			depth--
		case depth == 0 && strings.ContainsRune(", \t\r\n", c):
			end(i)
			continue
		}
		if from < 0 {
			from = i
		}
	}
	end(len(list))
	return all
}

// target is what a service asks: an address, or an address with settings in braces, such
// as { inet:127.0.0.1:8895, default_action=accept }.
type target struct {
	address  string
	settings map[string]string
}

func parseTarget(element string) target {
	inner, ok := strings.CutPrefix(element, "{")
	if !ok {
		return target{address: element}
	}
	parts := elements(strings.TrimSuffix(inner, "}"))
	if len(parts) == 0 {
		return target{}
	}
	t := target{parts[0], make(map[string]string)}
	for _, part := range parts[1:] {
		part = strings.TrimSuffix(strings.TrimPrefix(part, "{"), "}")
		if name, value, ok := strings.Cut(part, "="); ok {
			t.settings[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return t
}

// setting returns a target's setting, or else the service's parameter.
func (s service) setting(t target, name, parameter string) string {
	if value, ok := t.settings[name]; ok {
		return value
	}
	return s.value(parameter)
}

// ours reports whether a target is the daemon. A chrooted service takes a path relative
// to queue_directory; unreachable says that the path is the daemon's outside of it, where the
// service cannot reach it.
func (p *postfix) ours(ctx context.Context, v *exam, by protocol, s service, t target) (a listen.Address, unreachable, found bool) {
	path, isUnix := strings.CutPrefix(t.address, "unix:")
	if !isUnix {
		path, isUnix = strings.CutPrefix(t.address, "local:")
	}
	outside := path
	if isUnix && (s.locked || !strings.HasPrefix(path, "/")) {
		path = filepath.Join(p.queue, path)
	}
	if !isUnix {
		theirs, err := listen.ParseAddress(t.address)
		if err == nil {
			a, found = v.ours(ctx, by, theirs)
		}
		return a, false, found
	}
	if a, found = v.ours(ctx, by, listen.Address{Network: "unix", Addr: filepath.Clean(path)}); found || !s.locked {
		return a, false, found
	}
	a, found = v.ours(ctx, by, listen.Address{Network: "unix", Addr: filepath.Clean(outside)})
	return a, found, found
}

// checkReach checks whether Postfix can connect to the daemon's address.
func (p *postfix) checkReach(v *exam, by protocol, a listen.Address, unreachable bool) {
	switch {
	case unreachable:
		v.wrong("use "+v.suggested(by, "tcp")+" instead, or write n for - or y in the fifth column (chroot) of smtpd's line in master.cf; then 'postfix reload'",
			"cannot reach %s: smtpd is chrooted into %s (by master.cf), and the socket is outside of it", a.Addr, p.queue)
	case a.Network == "unix":
		v.checkSocket(a.Addr, "Postfix", p.account)
	}
}
