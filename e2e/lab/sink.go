package lab

import (
	"bufio"
	"net"
	"strings"
	"testing"
)

// StartSink starts a mail server outside that takes every message and forgets it, and
// returns its address, for [Options.RelayTo]. It ends with the test.
func StartSink(t testing.TB, ip string) (address string) {
	t.Helper()
	Require(t)
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go swallow(conn)
		}
	}()
	return l.Addr().String()
}

// swallow answers one client.
func swallow(conn net.Conn) {
	defer conn.Close()
	say := func(reply string) { _, _ = conn.Write([]byte(reply + "\r\n")) }
	say("220 sink.test ESMTP")
	inData := false
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		line := strings.ToUpper(lines.Text())
		switch {
		case inData && line != ".":
		case inData:
			inData = false
			say("250 2.0.0 Ok: queued as 0123456789AB")
		case line == "DATA":
			inData = true
			say("354 go on")
		case line == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}
