package lab

import (
	"bytes"
	"net"
	"os"
	"regexp"
)

// syslog is an instance's syslogd: it appends what it receives on a datagram
// socket to a file, one line each.
type syslog struct {
	conn *net.UnixConn
	done chan struct{}
}

// priority is the "<PRI>" before each message (RFC 3164, section 4.1.1).
var priority = regexp.MustCompile(`^<\d+>`)

func startSyslog(socket, logFile string) (*syslog, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil {
		err = os.Chmod(socket, 0o777) // unprivileged processes log too
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	s := &syslog{conn, make(chan struct{})}
	go s.serve(out)
	return s, nil
}

func (s *syslog) serve(out *os.File) {
	defer close(s.done)
	defer out.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := s.conn.Read(buf)
		if err != nil {
			return
		}
		line := priority.ReplaceAll(buf[:n], nil)
		line = bytes.TrimRight(line, "\n\x00")
		out.Write(append(line, '\n'))
	}
}

// Close ends the service and removes its socket.
func (s *syslog) Close() error {
	err := s.conn.Close()
	<-s.done
	os.Remove(s.conn.LocalAddr().String())
	return err
}
