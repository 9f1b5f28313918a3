package chaos

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"time"
)

// hostilePeer speaks to a socket as no MTA does. Its connection must be closed by
// the daemon in time, whatever it has sent.
type hostilePeer struct {
	name string
	say  func(r *rand.Rand) []byte
}

var hostilePeers = []hostilePeer{
	{"garbage", func(r *rand.Rand) []byte {
		b := make([]byte, 1+r.IntN(5000))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}},
	{"frame of no length", func(*rand.Rand) []byte { return make([]byte, 8) }},
	{"huge frame", func(*rand.Rand) []byte { return []byte{0xff, 0xff, 0xff, 0xff, 'O', 0} }},
	{"idle", func(*rand.Rand) []byte { return nil }},
	{"unfinished", func(*rand.Rand) []byte { return []byte{0, 0, 0, 13, 'O', 0} }},
	{"strings without an end", func(*rand.Rand) []byte {
		m := &milterConn{}
		m.command('O', words(6, 0x1ff, 0x1fffff))
		m.command('C', []byte("client"))
		m.command('M', []byte("<a@b>"))
		return m.out
	}},
	{"macros only", func(*rand.Rand) []byte {
		m := &milterConn{}
		m.command('O', words(6, 0x1ff, 0x1fffff))
		m.command('D', nil)
		return m.out
	}},
	{"endless line", func(*rand.Rand) []byte {
		return append([]byte("request=smtpd_access_policy\nsender="), bytes.Repeat([]byte("x"), 80_000)...)
	}},
	{"endless request", func(*rand.Rand) []byte { return bytes.Repeat([]byte("a=b\n"), 30_000) }},
	{"web browser", func(*rand.Rand) []byte { return []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") }},
}

// closesWithin is when the daemon must have closed a hostile peer's connection: by
// the limits that settings give it, and more for the sake of busy machines.
const closesWithin = 15 * time.Second

// attack connects hostile peers to the daemon's sockets until the context ends.
func (c *checker) attack(ctx context.Context, p *places, r *rand.Rand) {
	sockets := []struct{ network, address string }{
		{"unix", p.milterUnix}, {"tcp", p.milterInet}, {"unix", p.policyUnix}, {"tcp", p.policyInet},
	}
	for ctx.Err() == nil {
		socket, s := sockets[r.IntN(len(sockets))], hostilePeers[r.IntN(len(hostilePeers))]
		d := c.daemon()
		conn, err := net.Dial(socket.network, socket.address)
		if err != nil {
			pause(ctx, 50*time.Millisecond)
			continue
		}
		c.weather.count("hostile peers")
		began := time.Now()
		_ = conn.SetDeadline(began.Add(closesWithin))
		_, _ = conn.Write(s.say(r))
		_, err = io.Copy(io.Discard, conn)
		_ = conn.Close()
		if isTimeout(err) && d.alive() && !c.weather.felt(began, time.Now(), stopped) {
			c.wrong(nil, "a hostile peer (%s) at %s was not closed within %v", s.name, socket.address, closesWithin)
		}
		pause(ctx, time.Duration(r.IntN(50))*time.Millisecond)
	}
}
