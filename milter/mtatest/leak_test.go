package mtatest_test

import (
	"io"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"greyglass/milter/mtatest"
)

// Sessions that come and go, well or badly, leave no goroutine behind; nor does a server
// that ends.
func TestNothingIsLeft(t *testing.T) {
	negotiated := slices.Concat(
		mtatest.Frame('O', string(mtatest.Negotiation(6, 0x1ff, 0x1fffff))),
		mtatest.Frame('C', string(mtatest.ConnectData("client.example.net", '4', 4321, "203.0.113.7"))),
		mtatest.Frame('H', string(mtatest.Strings("client.example.net"))),
		mtatest.Frame('M', string(mtatest.Strings("<a@example.net>"))),
		mtatest.Frame('R', string(mtatest.Strings("<b@example.org>"))))
	for _, c := range []struct {
		name string
		by   frontEnd
		says []byte
	}{
		{"well-behaved", byMilter, append(negotiated, mtatest.Frame('Q', "")...)},
		{"gone before the answer", byMilter, negotiated},
		{"gone in the middle of a command", byMilter, negotiated[:len(negotiated)-5]},
		{"garbage", byMilter, []byte("GET / HTTP/1.1\r\n\r\n")},
		{"silent", byMilter, nil},
		{"policy, well-behaved", byPolicy, []byte(mtatest.PostfixRequest())},
		{"policy, gone in the middle", byPolicy, []byte("request=smtpd_access_policy\nsender=")},
		{"policy, garbage", byPolicy, make([]byte, 10_000)},
		{"policy, no request", byPolicy, []byte("what?\n\n")},
		{"policy, silent", byPolicy, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			h := c.by.on(t)
			serving := runtime.NumGoroutine()
			for i := range 500 {
				conn, err := net.Dial(h.Address.Network, h.Address.Addr)
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
			mtatest.Eventually(t, "no goroutine of a session is there", func() bool { return runtime.NumGoroutine() <= serving })
			h.Dial(t) // and says nothing
			c.by.begun(t, h)
			h.Close(t)
			mtatest.Eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
		})
	}
}
