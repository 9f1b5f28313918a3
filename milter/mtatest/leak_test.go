package mtatest_test

import (
	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
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
		mtatest.Frame('O', string(mtatest.Negotiation(6, 0x1ff, 0x1fffff))),
		mtatest.Frame('C', string(mtatest.ConnectData("client.example.net", '4', 4321, "203.0.113.7"))),
		mtatest.Frame('H', string(mtatest.Strings("client.example.net"))),
		mtatest.Frame('M', string(mtatest.Strings("<a@example.net>"))),
		mtatest.Frame('R', string(mtatest.Strings("<b@example.org>"))),
	} {
		negotiated = append(negotiated, command...)
	}
	milter, policy := byMilter.on(t), byPolicy.on(t)
	for _, c := range []struct {
		name    string
		address listen.Address
		says    []byte
	}{
		{"well-behaved", milter.Address, append(negotiated, mtatest.Frame('Q', "")...)},
		{"gone before the answer", milter.Address, negotiated},
		{"gone in the middle of a command", milter.Address, negotiated[:len(negotiated)-5]},
		{"garbage", milter.Address, []byte("GET / HTTP/1.1\r\n\r\n")},
		{"silent", milter.Address, nil},
		{"policy, well-behaved", policy.Address, []byte(mtatest.PostfixRequest())},
		{"policy, gone in the middle", policy.Address, []byte("request=smtpd_access_policy\nsender=")},
		{"policy, garbage", policy.Address, make([]byte, 10_000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			for i := range 500 {
				conn, err := net.Dial(c.address.Network, c.address.Addr)
				if err != nil {
					t.Fatal(err)
				}
				_ = conn.SetDeadline(time.Now().Add(mtatest.Timeout))
				_, _ = conn.Write(c.says) // the daemon may have hung up
				if i%2 == 0 {
					_ = conn.(*net.UnixConn).CloseWrite()
					_, _ = io.Copy(io.Discard, conn)
				}
				_ = conn.Close()
			}
			mtatest.Eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
		})
	}
}
