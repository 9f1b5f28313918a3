package lab

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// configurePostfix writes main.cf (postconf(5)), master.cf (master(5)) and the
// queue's folders.
func configurePostfix(i *Instance, o Options, w words) error {
	plugins, err := saslPlugins(Postfix)
	if err != nil {
		return err
	}
	ask := func(server string) string {
		if server == "" {
			return ""
		}
		return "check_policy_service " + server + ","
	}
	w = w.with(words{
		"MILTERS":        strings.Join(o.Milters, ", "),
		"MILTER_DEFAULT": o.milterDefault(),
		"POLICY_RCPT":    ask(o.Policy),
		"POLICY_DATA":    ask(o.PolicyData),
		"RELAY_FROM":     strings.Join(o.RelayFrom, " "),
		"AUTH":           yesNo(o.Auth),
		"IF_RELAY":       commentUnless(o.RelayTo != "", "# "),
		"SASL_PLUGINS":   plugins,
	})
	if err := w.fill("postfix-main.cf", i.path("conf", "main.cf")); err != nil {
		return err
	}
	if err := w.fill("postfix-master.cf", i.path("conf", "master.cf")); err != nil {
		return err
	}
	if err := writeSASL(i.path("conf", "sasl"), "smtpd.conf"); err != nil {
		return err
	}
	// Postfix waits up to 2 s before it believes a file that was just written.
	old := time.Now().Add(-10 * time.Second)
	for _, name := range []string{"main.cf", "master.cf"} {
		if err := os.Chtimes(i.path("conf", name), old, old); err != nil {
			return err
		}
	}
	return makePostfixQueue(i.path("spool"))
}

func postfixCommand(i *Instance) []string {
	return []string{filepath.Join(rootOf(Postfix), "usr/lib/postfix/sbin/master"), "-c", i.path("conf")}
}

// makePostfixQueue makes what "postfix check" would: the folders that the
// services in master.cf use, with the owners and modes they insist on. Group 1
// is daemon, the template's setgid_group.
func makePostfixQueue(spool string) error {
	const daemon = 1
	folders := []struct {
		name     string
		uid, gid int
		mode     os.FileMode
	}{
		{"pid", 0, 0, 0o755},
		{"public", mailUID, daemon, 0o710},
		{"maildrop", mailUID, daemon, 0o730},
	}
	for _, name := range strings.Fields("active bounce corrupt defer deferred flush hold incoming private saved trace") {
		folders = append(folders, struct {
			name     string
			uid, gid int
			mode     os.FileMode
		}{name, mailUID, 0, 0o700})
	}
	for _, f := range folders {
		dir := filepath.Join(spool, f.name)
		if err := os.MkdirAll(dir, f.mode); err != nil {
			return err
		}
		if err := os.Chown(dir, f.uid, f.gid); err != nil {
			return err
		}
		if err := os.Chmod(dir, f.mode); err != nil {
			return err
		}
	}
	return os.Chown(spool, 0, 0)
}

// writeSASL writes Cyrus SASL's configuration of an MTA, whose name for it is
// file, into dir, where the socket of startSaslauthd is too.
func writeSASL(dir, file string) error {
	text := "pwcheck_method: saslauthd\nmech_list: PLAIN LOGIN\nsaslauthd_path: " + filepath.Join(dir, "mux") + "\n"
	return os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644)
}
