package lab

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

// startSaslauthd stands in for saslauthd(8), which Cyrus SASL asks for Postfix
// and Sendmail whether a password is right: only User with Password is.
// The socket is the file "mux" in dir, as Cyrus SASL wants it.
func startSaslauthd(dir string) (io.Closer, error) {
	socket := filepath.Join(dir, "mux")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(socket, 0o777); err != nil { // the MTA asks as an unprivileged account
		l.Close()
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerSaslauthd(c)
		}
	}()
	return l, nil
}

// answerSaslauthd reads the four counted strings of a request (user, password,
// service, realm; each with two octets of length before it, in network order)
// and answers with one, "OK" or "NO" (Cyrus SASL, saslauthd/ipc_unix.c).
func answerSaslauthd(c net.Conn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	var fields [4]string
	for i := range fields {
		var size uint16
		if binary.Read(c, binary.BigEndian, &size) != nil {
			return
		}
		b := make([]byte, size)
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		fields[i] = string(b)
	}
	answer := "NO"
	if fields[0] == User && fields[1] == Password {
		answer = "OK"
	}
	c.Write(append([]byte{0, byte(len(answer))}, answer...))
}
