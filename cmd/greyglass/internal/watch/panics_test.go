package watch

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/milter"
	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
	"greyglass/milter/policyd"
	"greyglass/sqlstore"
	"greyglass/sqlstore/storetest"
	"greyglass/sqlstore/storetest/faulty"
)

// TestPanics: a bug is counted once, by the part of the daemon that survived it.
func TestPanics(t *testing.T) {
	s, at := start(t, "127.0.0.1:8896")
	m := faulty.New()
	d := newDaemon(m, greylist.Accept)
	store, err := sqlstore.Open(t.Context(), "sqlite:"+t.TempDir()+"/greyglass.db", sqlstore.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	d.Store = store
	milters, policies := listen.NewLimiter("milter", mtatest.Limits, discard), listen.NewLimiter("policy", mtatest.Limits, discard)
	d.Limiters = []*listen.Limiter{milters, policies}
	mail := serve(t, milter.NewServer(d.Judge, milters, discard))
	policy := serve(t, policyd.New(d.Judge, policies, discard))
	s.Watch(d)

	counted := map[string]int{"judge": 0, "milter": 0, "policy": 0, "store": 0}
	for _, c := range []struct {
		part string
		meet func()
	}{
		{"judge", func() {
			m.Before(func(context.Context) error { panic("a bug") })
			d.attempt()
			m.Before(nil)
		}},
		{"store", func() {
			_ = storetest.Update(t.Context(), store, greylist.Triplet{Client: "192.0.2.7"}, func(*greylist.Entry) (greylist.Entry, bool) { panic("a bug") })
		}},
		{"milter", func() {
			d.Judge.Adopt(nil) // which no program does
			to, err := listen.ParseAddress("inet:" + mail)
			if err != nil {
				t.Fatal(err)
			}
			if answer, err := milter.Probe(t.Context(), to, greylist.Attempt{Client: greylist.ParseClient("192.0.2.7")}); err == nil {
				t.Errorf("answered %+v", answer)
			}
		}},
		{"policy", func() {
			c, err := net.Dial("tcp", policy)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			_, _ = io.WriteString(c, "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.7\n\n")
			if answer, err := io.ReadAll(c); string(answer) != "action=DUNNO\n\n" {
				t.Errorf("answered %q, %v", answer, err)
			}
		}},
	} {
		c.meet()
		counted[c.part]++
		_, body := get(t, at, "/metrics")
		for part, n := range counted {
			if line := fmt.Sprintf("greyglass_panics_total{part=%q} %d", part, n); !strings.Contains(body, "\n"+line+"\n") {
				t.Errorf("after a bug in the %s: no %s", c.part, line)
			}
		}
	}
}

// serve has a front end serve, at an address that is returned.
func serve(t *testing.T, front interface {
	Serve(net.Listener) error
	Shutdown(context.Context, time.Duration) error
}) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- front.Serve(l) }()
	t.Cleanup(func() {
		if err := front.Shutdown(context.Background(), 0); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}
