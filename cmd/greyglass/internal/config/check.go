package config

import (
	"net"
	"strconv"
	"strings"

	"greyglass/greylist/address"
	"greyglass/greylist/problem"
	"greyglass/milter/listen"
	"greyglass/sqlstore"
)

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
	const fix = "write HOST:PORT, such as 127.0.0.1:8896"
	host, port, err := net.SplitHostPort(s)
	switch {
	case err != nil:
		return problem.New(fix, "not a host and a port")
	case host == "":
		return problem.New(fix+", or 0.0.0.0 or [::] as the host to listen on all interfaces", "no host")
	}
	if err := checkListen("inet:" + net.JoinHostPort(host, port)); err != nil {
		return problem.New(fix, "not a host and a port")
	}
	return nil
}

func checkMode(s string) error {
	if _, err := strconv.ParseUint(s, 8, 9); err != nil || strings.ContainsAny(s, "+_") {
		return problem.New(`write the permissions as in "0660"`, "not an octal mode")
	}
	return nil
}

const sqliteScheme = "sqlite:"

func checkStore(s string) error {
	const fix = "write sqlite:/var/lib/greyglass/greyglass.db or postgres://USER@HOST/DATABASE"
	if file, ok := strings.CutPrefix(s, sqliteScheme); ok {
		if file == "" || strings.ContainsRune(file, 0) {
			return problem.New(fix, "no file after sqlite:")
		}
		return nil
	}
	if !isPostgres(s) {
		return problem.New(fix, "neither sqlite: nor postgres://")
	}
	if err := sqlstore.Check(s); err != nil {
		return problem.New(fix, "%s", err.Error())
	}
	return nil
}

func isPostgres(s string) bool {
	return strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://")
}

func checkFile(s string) error {
	if strings.ContainsRune(s, 0) {
		return problem.New("remove it", "a NUL character in a file name")
	}
	return nil
}

func checkProbe(s string) error {
	_, err := address.ParsePatterns(address.Recipients, s)
	return err
}
