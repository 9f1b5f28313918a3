package policyd

import (
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/greylist/judge"
	"greyglass/greylist/rules"
	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
	"greyglass/sqlstore/memstore"
)

func BenchmarkParse(b *testing.B) {
	text := []byte(mtatest.PostfixRequest())
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, whole := requestEnd(text, 0); !whole {
			b.Fatal("not whole")
		}
		if _, err := parseRequest(text, defaults); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPolicy is a request that is deferred, as Postfix makes it, over a unix
// socket: on one kept connection, as Postfix asks, or with a connection for each,
// as Exim does. The client's own memory is little, and counted too.
func BenchmarkPolicy(b *testing.B) {
	rules, err := rules.Config{}.Compile()
	if err != nil {
		b.Fatal(err)
	}
	policy := &judge.Policy{
		Rules: rules, Windows: greylist.DefaultWindows, Identity: greylist.DefaultIdentity,
		Reply: mtatest.ParseReply(b, "451 4.7.1 Greylisted, please try again in {wait}"), Timeout: time.Minute,
	}
	log := slog.New(slog.DiscardHandler)
	judge := judge.New(memstore.New(), policy, log, clock.New(time.Now, log))
	server := New(judge, listen.NewLimiter("milter", mtatest.Limits, log), log)
	l, err := net.Listen("unix", filepath.Join(b.TempDir(), "policy.sock"))
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	b.Cleanup(func() { _ = server.Shutdown(b.Context(), 0) })

	request, answer := []byte(mtatest.PostfixRequest()), make([]byte, 512)
	dial := func(b *testing.B) net.Conn {
		conn, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		return conn
	}
	ask := func(b *testing.B, conn net.Conn) {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		if n, err := conn.Read(answer); err != nil || answer[n-1] != '\n' {
			b.Fatalf("answer %q, %v", answer[:n], err)
		}
	}
	perSecond := func(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s") }
	b.Run("one connection", func(b *testing.B) {
		conn := dial(b)
		defer conn.Close()
		b.ReportAllocs()
		for b.Loop() {
			ask(b, conn)
		}
		perSecond(b)
	})
	b.Run("connection for each", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			conn := dial(b)
			ask(b, conn)
			_ = conn.Close()
		}
		perSecond(b)
	})
	b.Run("16 connections", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(8) // times two cores
		b.RunParallel(func(pb *testing.PB) {
			conn := dial(b)
			defer conn.Close()
			answer := make([]byte, 512)
			for pb.Next() {
				if _, err := conn.Write(request); err != nil {
					b.Error(err)
					return
				}
				if _, err := conn.Read(answer); err != nil {
					b.Error(err)
					return
				}
			}
		})
		perSecond(b)
	})
}
