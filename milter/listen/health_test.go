package listen

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"
)

func TestCheckHealth(t *testing.T) {
	t.Parallel()
	answers := func(c net.Conn) { _, _ = c.Write([]byte("x")); _, _ = io.Copy(io.Discard, c); c.Close() }
	for _, c := range []struct {
		name  string
		serve func(net.Conn) // nil: connections wait in the kernel
		alive bool
	}{
		{"answers", answers, true},
		{"has no room and closes", func(c net.Conn) { c.Close() }, true},
		{"takes connections and says nothing", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, false},
		{"takes no connections", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if c.serve != nil {
				go func() {
					for {
						accepted, err := l.Accept()
						if err != nil {
							return
						}
						go c.serve(accepted)
					}
				}()
			}
			timeout := 50 * time.Millisecond
			if c.alive {
				timeout = 30 * time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			if err := CheckHealth(ctx, l.Addr(), "hello", "bye"); (err == nil) != c.alive {
				t.Errorf("alive: %t, want %t: %v", err == nil, c.alive, err)
			}
		})
	}
	if err := CheckHealth(t.Context(), &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"}, "", ""); err == nil {
		t.Error("alive where nothing listens")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := CheckHealth(ended, &net.UnixAddr{Name: "/nowhere", Net: "unix"}, "", ""); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a context that has ended: %v", err)
	}
}
