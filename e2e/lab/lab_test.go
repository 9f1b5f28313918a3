package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	os.Exit(Main(m, append(allMTAs, PostgreSQL)...))
}

var allMTAs = []MTA{Postfix, Sendmail, Exim}

// each runs test once for each MTA, all at the same time.
func each(t *testing.T, mtas []MTA, test func(t *testing.T, mta MTA)) {
	Require(t)
	for _, mta := range mtas {
		t.Run(string(mta), func(t *testing.T) {
			t.Parallel()
			test(t, mta)
		})
	}
}

// expect fails t unless the reply has the code and holds the text.
func expect(t *testing.T, what string, got Reply, code int, text string) {
	t.Helper()
	if got.Code != code || !strings.Contains(got.Text, text) {
		t.Fatalf("%s: got %q, want %d with %q", what, got, code, text)
	}
}

// fakeT is a test that notes what is done to it.
type fakeT struct {
	testing.TB
	failed bool
	did    string
}

func (f *fakeT) Helper()             {}
func (f *fakeT) Failed() bool        { return f.failed }
func (f *fakeT) Logf(string, ...any) {}
func (f *fakeT) Skip(args ...any)    { f.did = "skip: " + fmt.Sprint(args...) }
func (f *fakeT) Fatal(args ...any)   { f.did = "fail: " + fmt.Sprint(args...) }

func TestSkipOrFail(t *testing.T) {
	noRoot := unavailable(errors.New("must run as root"))
	for _, c := range []struct {
		name, requireAll string
		err              error
		want             string
	}{
		{"works", "", nil, ""},
		{"works, all required", "1", nil, ""},
		{"unavailable", "", noRoot, "skip: lab: real MTAs are not available: must run as root"},
		{"unavailable, all required", "1", noRoot, "fail: lab: real MTAs are not available: must run as root"},
		{"broken", "", errors.New("broken"), "fail: broken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("GREYGLASS_REQUIRE_ALL", c.requireAll)
			f := &fakeT{}
			SkipOrFail(f, c.err)
			if f.did != c.want {
				t.Errorf("did %q, want %q", f.did, c.want)
			}
		})
	}
}

func TestPrepareUnknownMTA(t *testing.T) {
	Require(t)
	err := Prepare("qmail")
	if err == nil || errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), `"qmail"`) {
		t.Errorf("got %v, want an error that names qmail and is no reason to skip", err)
	}
}

func TestClosedCacheFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := checkPassable(dir); err == nil || !strings.Contains(err.Error(), dir+" is closed") {
		t.Errorf("got %v, want an error that names %s", err, dir)
	}
}

// In the namespace, all documentation addresses are this machine's own, and there
// is no way out.
func TestNetns(t *testing.T) {
	Require(t)
	if !InNetns() {
		t.Fatal("not in the lab's network namespace")
	}
	interfaces, err := net.Interfaces()
	if err != nil || len(interfaces) != 1 || interfaces[0].Name != "lo" {
		t.Errorf("interfaces %v (%v), want lo alone", interfaces, err)
	}
	for _, way := range []struct{ client, server string }{
		{"192.0.2.1", "127.0.0.1"},
		{"198.51.100.254", "203.0.113.9"},
		{"2001:db8:ffff::1", "::1"},
		{"2001:db8::1", "2001:db8:1::2"},
	} {
		l, err := net.Listen("tcp", net.JoinHostPort(way.server, "0"))
		if err != nil {
			t.Error(err)
			continue
		}
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(way.client)}}
		c, err := dialer.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Error(err)
		} else {
			s, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if host, _, _ := net.SplitHostPort(s.RemoteAddr().String()); host != way.client {
				t.Errorf("%s sees %s, want %s", way.server, host, way.client)
			}
			s.Close()
			c.Close()
		}
		l.Close()
	}
	if c, err := net.Dial("udp", "233.252.0.1:53"); err == nil {
		c.Close()
		t.Error("there is a route to the outside")
	}
}
