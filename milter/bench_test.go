package milter

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/greylist/judge"
	"greyglass/greylist/rules"
	"greyglass/milter/deferred"
	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
	"greyglass/sqlstore/memstore"
)

// BenchmarkFrames is the cost of conn alone: of one frame, read as the protocol
// library reads it.
func BenchmarkFrames(b *testing.B) {
	rcpt := mtatest.Frame(cmdRcpt, "<recipient@example.org>\x00")
	read := func(b *testing.B, c net.Conn) {
		header, data := make([]byte, frameHeader), make([]byte, len(rcpt)-frameHeader)
		b.ReportAllocs()
		for b.Loop() {
			_, err := io.ReadFull(c, header)
			if err == nil {
				_, err = io.ReadFull(c, data)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("conn", func(b *testing.B) {
		g := listen.NewLimiter("milter", mtatest.Limits, slog.New(slog.DiscardHandler))
		peer := &mtatest.Endless{Octets: mtatest.Frame(cmdNegotiate, string(mtatest.Negotiation(6, 0, 0)))}
		c := &frames{Conn: g.Admit(peer)}
		if _, err := io.ReadFull(c, make([]byte, len(peer.Octets))); err != nil {
			b.Fatal(err)
		}
		peer.Send(rcpt)
		read(b, c)
	})
	b.Run("bare", func(b *testing.B) { read(b, &mtatest.Endless{Octets: rcpt}) })
}

// BenchmarkTransaction is a message that is deferred at RCPT, with a connection
// for each or on one connection, here and by two servers made of the protocol
// library alone: one whose every command is answered by the library itself, one
// with the session of this package.
func BenchmarkTransaction(b *testing.B) {
	rules, err := rules.Config{}.Compile()
	if err != nil {
		b.Fatal(err)
	}
	policy := &judge.Policy{
		Rules: rules, Windows: greylist.DefaultWindows, Identity: greylist.DefaultIdentity,
		Reply: mtatest.ParseReply(b, "451 4.7.1 Greylisted, please try again in {wait}"), Timeout: time.Minute,
	}
	log := slog.New(slog.DiscardHandler)
	newJudge := func() *judge.Judge {
		return judge.New(memstore.New(), policy, log, clock.New(time.Now, log))
	}
	for _, server := range []struct {
		name  string
		serve func(net.Listener)
	}{
		{"greyglass", func(l net.Listener) {
			_ = NewServer(newJudge(), listen.NewLimiter("milter", mtatest.Limits, log), log).Serve(l)
		}},
		{"library with our session", func(l net.Listener) {
			judge := newJudge()
			_ = milter.NewServer(milter.WithNegotiationCallback(negotiation(judge)), milter.WithMilter(func() milter.Milter {
				return &session{ctx: b.Context(), judge: judge, log: log, replies: newReplies(), limiter: listen.NewLimiter("milter", mtatest.Limits, log), room: new(deferred.Room)}
			})).Serve(l)
		}},
		{"library alone", func(l net.Listener) {
			_ = milter.NewServer(milter.WithMilter(func() milter.Milter { return milter.NoOpMilter{} })).Serve(l)
		}},
	} {
		l, err := net.Listen("unix", filepath.Join(b.TempDir(), "milter.sock"))
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		go server.serve(l)
		there := listen.Address{Network: "unix", Addr: l.Addr().String()}
		b.Run(server.name+"/connection for each", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c := dialBench(b, there)
				c.message(true)
				_ = c.conn.Close()
			}
		})
		b.Run(server.name+"/one connection", func(b *testing.B) {
			c := dialBench(b, there)
			defer c.conn.Close()
			c.message(true)
			b.ReportAllocs()
			for b.Loop() {
				c.message(false)
			}
		})
	}
}

// benchMTA is an MTA that costs little: it writes what it need not wait for at once.
type benchMTA struct {
	b        *testing.B
	conn     net.Conn
	in       *bufio.Reader
	protocol milter.OptProtocol
	out      []byte
}

var (
	benchNegotiate = mtatest.Frame(cmdNegotiate, string(mtatest.Negotiation(6, 0x1ff, 0x1fffff)))
	benchConnect   = mtatest.Frame(cmdConnect, string(mtatest.ConnectData("client.example.net", familyInet, 25, "192.0.2.7")))
	benchHelo      = mtatest.Frame(cmdHelo, "client.example.net\x00")
	benchMail      = mtatest.Frame(cmdMail, "<sender@example.net>\x00SIZE=1000\x00")
	benchRcpt      = mtatest.Frame(cmdRcpt, "<recipient@example.org>\x00")
	benchAbort     = mtatest.Frame(cmdAbort, "")
)

func dialBench(b *testing.B, to listen.Address) *benchMTA {
	conn, err := net.Dial(to.Network, to.Addr)
	if err != nil {
		b.Fatal(err)
	}
	m := &benchMTA{b: b, conn: conn, in: bufio.NewReaderSize(conn, 512)}
	m.out = append(m.out, benchNegotiate...)
	answer := m.ask()
	m.protocol = milter.OptProtocol(answer[12]) | milter.OptProtocol(answer[11])<<8 | milter.OptProtocol(answer[10])<<16
	return m
}

func (m *benchMTA) message(first bool) {
	if first {
		m.send(benchConnect, milter.OptNoConnReply)
		m.send(benchHelo, milter.OptNoHeloReply)
	}
	m.send(benchMail, milter.OptNoMailReply)
	m.send(benchRcpt, 0)
	m.out = append(m.out, benchAbort...) // goes with the next message
}

// send sends a command, and waits unless it has no answer.
func (m *benchMTA) send(frame []byte, silent milter.OptProtocol) {
	m.out = append(m.out, frame...)
	if m.protocol&silent == 0 {
		m.ask()
	}
}

func (m *benchMTA) ask() []byte {
	if _, err := m.conn.Write(m.out); err != nil {
		m.b.Fatal(err)
	}
	m.out = m.out[:0]
	answer, err := mtatest.ReadFrame(m.in)
	if err != nil {
		m.b.Fatal(err)
	}
	return answer
}
