package doctor

import (
	"context"
	"net"
	"net/netip"
	"strings"
)

// checkAttachment reports whether any mail server asks Greyglass.
func checkAttachment(_ context.Context, v *exam) {
	switch {
	case len(v.attached) > 0:
		v.ok("%s asks Greyglass", strings.Join(v.attached, " and "))
	case len(v.unread) > 0:
		v.warn("fix what is reported above, then run this again", "it is not known whether %s asks Greyglass", strings.Join(v.unread, " and "))
	case len(v.mailServers) > 0:
		for _, r := range v.unasking { // to be told first
			v.checkRelayClients(r)
		}
		var fixes []string
		for _, server := range v.mailServers {
			fixes = append(fixes, v.attaching(server))
		}
		v.wrong(strings.Join(fixes, "; or "), "no mail server asks Greyglass, so nothing is greylisted (%s is installed)", strings.Join(v.mailServers, " and "))
	case v.servesOthers():
		v.ok("none on this machine; Greyglass listens for mail servers on other machines, which cannot be checked from here")
	default:
		v.wrong("install Postfix, Sendmail or Exim; or say where its configuration is (--postfix-config, --sendmail-cf, --exim-config)",
			"there is none on this machine, and Greyglass listens on no address that other machines can reach, so nothing is greylisted")
	}
}

// cannotRead reports a mail server whose configuration cannot be read.
func (v *exam) cannotRead(server, fix string, err error) {
	v.unread = append(v.unread, server)
	const detail = "its configuration cannot be read: %v"
	switch {
	case notInstalled(err):
		v.wrong("add the folder of its program to PATH", detail, err)
	case v.Machine.Super:
		v.wrong(fix, detail, err)
	default:
		v.warn("run this as root", detail, err)
	}
}

// attaching says how to attach a mail server.
func (v *exam) attaching(server string) string {
	switch server {
	case "Postfix":
		return "for Postfix, " + v.askFirst(v.suggested(byMilter, "tcp"), v.smtpd...) + " (see " + v.example("postfix/milter.cf") + ")"
	case "Sendmail":
		return "for Sendmail, add the line of " + v.example("sendmail/greyglass.mc") + " (S=" + v.suggested(byMilter, "unix") + ") before other INPUT_MAIL_FILTER lines" + rebuild
	}
	return "for Exim, follow " + v.example("exim/README.md") + ": acl_greyglass.conf (readsocket " + strings.TrimPrefix(v.suggested(byPolicy, "unix"), "unix:") + "), rcpt.conf, predata.conf and data.conf, then restart Exim"
}

// servesOthers reports whether the daemon listens for other machines.
func (v *exam) servesOthers() bool {
	for _, a := range append(v.listens(byMilter), v.listens(byPolicy)...) {
		host, _, err := net.SplitHostPort(a.Addr)
		if err != nil || a.Network == "unix" || host == "localhost" {
			continue
		}
		if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
			return true
		}
	}
	return false
}
