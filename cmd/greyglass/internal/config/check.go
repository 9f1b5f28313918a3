package config

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/milter/listen"
	"greyglass/sqlstore"
)

// The checks return errors in the form "what; mend".

// placeholder is what might be meant to stand for something else in a reply.
var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// reply is an SMTP reply that goes with the verdict.
func reply(verdict greylist.Verdict, placeholders ...string) text {
	allowed := "an SMTP reply with a 4xx code, but not 421"
	if verdict == greylist.Deny {
		allowed = "an SMTP reply with a 5xx code"
	}
	return text{allowed: allowed, check: func(s string) error {
		_, err := greylist.ParseReply(s, verdict)
		rest := s
		for _, p := range placeholders {
			rest = strings.ReplaceAll(rest, p, "")
		}
		if unknown := placeholder.FindString(rest); unknown != "" {
			mend := "remove it"
			if len(placeholders) > 0 {
				mend = "write " + strings.Join(placeholders, " or ") + ", or remove it"
			}
			err = errors.Join(err, fmt.Errorf("%s stands for nothing here; %s", unknown, mend))
		}
		return err
	}}
}

func checkListen(s string) error {
	_, err := listen.ParseAddress(s)
	return err
}

// systemdScheme begins the name of a socket that systemd passes.
const systemdScheme = "systemd:"

func checkHTTP(s string) error {
	if s == "" {
		return nil
	}
	if strings.HasPrefix(s, systemdScheme) {
		return checkListen(s)
	}
	const mend = "write HOST:PORT, such as 127.0.0.1:8896"
	host, port, err := net.SplitHostPort(s)
	switch {
	case err != nil:
		return errors.New("not a host and a port; " + mend)
	case host == "":
		return errors.New("no host; " + mend + ", or 0.0.0.0 or [::] as the host to listen on all interfaces")
	}
	if err := checkListen("inet:" + net.JoinHostPort(host, port)); err != nil {
		return errors.New("not a host and a port; " + mend)
	}
	return nil
}

func checkMode(s string) error {
	if _, err := strconv.ParseUint(s, 8, 9); err != nil || strings.ContainsAny(s, "+_") {
		return errors.New(`not an octal mode; write the permissions as in "0660"`)
	}
	return nil
}

const sqliteScheme = "sqlite:"

func checkStore(s string) error {
	const mend = "write sqlite:/var/lib/greyglass/greyglass.db or postgres://USER@HOST/DATABASE"
	if file, ok := strings.CutPrefix(s, sqliteScheme); ok {
		if file == "" || strings.ContainsRune(file, 0) {
			return errors.New("no file after sqlite:; " + mend)
		}
		return nil
	}
	if !isPostgres(s) {
		return errors.New("neither sqlite: nor postgres://; " + mend)
	}
	if err := sqlstore.Check(s); err != nil {
		return fmt.Errorf("%s; %s", strings.TrimPrefix(err.Error(), "sqlstore: "), mend)
	}
	return nil
}

func isPostgres(s string) bool {
	return strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://")
}

func checkFile(s string) error {
	if strings.ContainsRune(s, 0) {
		return errors.New("a NUL character in a file name; remove it")
	}
	return nil
}

func checkProbe(s string) error {
	_, err := address.ParsePatterns(address.Recipients, s)
	return err
}
