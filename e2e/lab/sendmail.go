package lab

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// configureSendmail writes the .mc, makes the .cf of it by m4 (sendmail's
// cf/README) and the script that delivers.
func configureSendmail(i *Instance, o Options, w words) error {
	w = w.with(words{
		"MILTERS":    sendmailMilters(o),
		"IF_AUTH":    commentUnless(o.Auth, "dnl "),
		"IF_RELAY":   commentUnless(o.RelayTo != "", "dnl "),
		"IF_SWALLOW": commentUnless(o.RelayTo == "", "dnl "),
		"NO_AUTH":    "",
		"SASL_CONF":  "",
	})
	if o.Auth {
		plugins, err := saslPlugins(Sendmail)
		if err != nil {
			return err
		}
		// Sendmail starts its environment empty; E lines fill it.
		w["SASL_CONF"] = fmt.Sprintf("LOCAL_CONFIG\nESASL_CONF_PATH=%s\nESASL_PATH=%s", i.path("conf", "sasl"), plugins)
		if err := writeSASL(i.path("conf", "sasl"), "Sendmail.conf"); err != nil {
			return err
		}
	} else {
		w["NO_AUTH"] = ", M=A"
	}
	if err := w.fill("sendmail.mc", i.path("conf", "sendmail.mc")); err != nil {
		return err
	}
	if err := w.fill("sendmail-deliver.sh", i.path("conf", "deliver.sh")); err != nil {
		return err
	}
	sources := "files"
	if o.NameServer != "" {
		sources = "files dns"
	}
	if err := os.WriteFile(i.path("conf", "service.switch"), []byte("hosts\t"+sources+"\naliases\tfiles\n"), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(i.path("conf", "statistics"), nil, 0o644); err != nil {
		return err
	}
	if err := os.Chown(i.path("conf", "statistics"), mailUID, mailGID); err != nil {
		return err
	}
	if err := os.Chmod(i.path("spool"), 0o700); err != nil {
		return err
	}
	if err := runM4(i.path("conf", "sendmail.mc"), i.path("conf", "sendmail.cf")); err != nil {
		return err
	}
	return writeAccess(i.path("conf"), o.RelayFrom)
}

// writeAccess writes the access map, in which a network is its leading octets
// (Sendmail's cf/README, "ANTI-SPAM CONFIGURATION CONTROL").
func writeAccess(conf string, relayFrom []string) error {
	var text strings.Builder
	for _, network := range relayFrom {
		prefix, err := netip.ParsePrefix(network)
		if err != nil {
			return fmt.Errorf("lab: RelayFrom: %w", err)
		}
		octets := strings.Split(prefix.Addr().String(), ".")[:prefix.Bits()/8]
		fmt.Fprintf(&text, "Connect:%s\tRELAY\n", strings.Join(octets, "."))
	}
	file := filepath.Join(conf, "access")
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		return err
	}
	root := rootOf(Sendmail)
	cmd := exec.Command(filepath.Join(root, "usr/libexec/sendmail/makemap"), "-C", filepath.Join(conf, "sendmail.cf"), "hash", file)
	cmd.Env = []string{"LANG=C", "LD_LIBRARY_PATH=" + libraryPath(root)}
	cmd.Stdin = strings.NewReader(text.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("lab: makemap: %w: %s", err, out)
	}
	return nil
}

func sendmailCommand(i *Instance) []string {
	return []string{filepath.Join(rootOf(Sendmail), "usr/libexec/sendmail/sendmail"), "-bD", "-C", i.path("conf", "sendmail.cf")}
}

func runM4(mc, cf string) error {
	root := rootOf(Sendmail)
	tree := filepath.Join(root, "usr/share/sendmail/cf") + "/"
	cmd := exec.Command(filepath.Join(root, "usr/bin/m4"), "-D_CF_DIR_="+tree, tree+"m4/cf.m4", mc)
	cmd.Env = []string{"LANG=C", "LD_LIBRARY_PATH=" + libraryPath(root)}
	var errors bytes.Buffer
	cmd.Stderr = &errors
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("lab: m4: %w: %s", err, &errors)
	}
	return os.WriteFile(cf, text, 0o644)
}

var inet6Address = regexp.MustCompile(`^inet:\[(.*)\]:([0-9]+)$`)
var inetAddress = regexp.MustCompile(`^inet:(.*):([0-9]+)$`)

// sendmailMilters returns the INPUT_MAIL_FILTER lines of the milters. Sendmail
// writes the port before the host, has F= for what to do when a milter fails
// (none: go on without it) and T= for how long to wait.
func sendmailMilters(o Options) string {
	flag := map[string]string{"accept": "", "tempfail": "F=T, ", "reject": "F=R, "}[o.milterDefault()]
	s := o.timeoutSeconds()
	var lines []string
	for n, address := range o.Milters {
		address = inet6Address.ReplaceAllString(address, "inet6:$2@$1")
		address = inetAddress.ReplaceAllString(address, "inet:$2@$1")
		lines = append(lines, fmt.Sprintf("INPUT_MAIL_FILTER(`lab%d', `S=%s, %sT=C:%ds;S:%ds;R:%ds;E:%ds')dnl",
			n+1, address, flag, s, s, s, 3*s))
	}
	return strings.Join(lines, "\n")
}
