package milter

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"
)

// Sessions leave no goroutine behind, however they end, in either front end.
func TestSessionsLeaveNothing(t *testing.T) {
	var negotiated []byte
	for _, command := range [][]byte{
		appendFrame(nil, cmdNegotiate, negotiation(6, 0x1ff, 0x1fffff)),
		appendFrame(nil, cmdConnect, connectData("client.example.net", familyInet, 4321, "203.0.113.7")),
		appendFrame(nil, cmdHelo, cstrings("client.example.net")),
		appendFrame(nil, cmdMail, cstrings("<a@example.net>")),
		appendFrame(nil, cmdRcpt, cstrings("<b@example.org>")),
	} {
		negotiated = append(negotiated, command...)
	}
	milterHouse, policyHouse := newHouse(t), newPolicyHouse(t)
	for _, c := range []struct {
		name    string
		address Address
		says    []byte
	}{
		{"well-behaved", milterHouse.address, appendFrame(negotiated, cmdQuit, nil)},
		{"gone before the answer", milterHouse.address, negotiated},
		{"gone in the middle of a command", milterHouse.address, negotiated[:len(negotiated)-5]},
		{"garbage", milterHouse.address, []byte("GET / HTTP/1.1\r\n\r\n")},
		{"silent", milterHouse.address, nil},
		{"policy, well-behaved", policyHouse.address, []byte(postfixRequest())},
		{"policy, gone in the middle", policyHouse.address, []byte("request=smtpd_access_policy\nsender=")},
		{"policy, garbage", policyHouse.address, make([]byte, 10_000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			for i := range 500 {
				conn, err := net.Dial(c.address.Network, c.address.Addr)
				if err != nil {
					t.Fatal(err)
				}
				_ = conn.SetDeadline(time.Now().Add(patience))
				_, _ = conn.Write(c.says) // the daemon may have hung up
				if i%2 == 0 {
					_ = conn.(*net.UnixConn).CloseWrite()
					_, _ = io.Copy(io.Discard, conn)
				}
				_ = conn.Close()
			}
			eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
		})
	}
}
