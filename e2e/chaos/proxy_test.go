package chaos

import (
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"
)

// proxy is a bad line to the daemon: it delays what passes, hands on octets one
// by one, and cuts.
type proxy struct{ weather *weather }

// dial connects by way of the proxy, and returns whether that has cut the
// connection.
func (p *proxy) dial(to string, seed int64) (conn net.Conn, cut func() bool, err error) {
	far, err := net.Dial("tcp", to)
	if err != nil {
		return nil, nil, err
	}
	near, here := net.Pipe()
	line := &badLine{near: here, far: far}
	r := rand.New(rand.NewPCG(uint64(seed), 2))
	budget := int64(1) << 40
	switch r.IntN(3) {
	case 0:
		p.weather.count("proxy cuts")
		budget = 1 + r.Int64N(1500)
	case 1:
		p.weather.count("proxy drips")
		line.drip = true
	default:
		p.weather.count("proxy delays")
		line.delay = time.Duration(r.IntN(300)) * time.Millisecond
	}
	line.budget.Store(budget)
	go line.carry(far, here)
	go line.carry(here, far)
	return near, line.wasCut.Load, nil
}

type badLine struct {
	near, far net.Conn
	drip      bool
	delay     time.Duration
	budget    atomic.Int64 // octets, until it is cut
	wasCut    atomic.Bool
}

// carry carries octets in one direction.
func (l *badLine) carry(to, from net.Conn) {
	defer l.near.Close()
	defer l.far.Close()
	buffer := make([]byte, 2048)
	for {
		size := len(buffer)
		if l.drip {
			size = 24
		}
		n, err := from.Read(buffer[:size])
		time.Sleep(l.delay)
		left := l.budget.Add(-int64(n))
		if left < 0 {
			l.wasCut.Store(true)
			n = max(0, n+int(left))
		}
		for rest := buffer[:n]; len(rest) > 0; {
			some := len(rest)
			if l.drip {
				some = 1
			}
			if _, err := to.Write(rest[:some]); err != nil {
				return
			}
			rest = rest[some:]
		}
		if err != nil || left < 0 {
			return
		}
	}
}
