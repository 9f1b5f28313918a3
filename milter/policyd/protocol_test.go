package policyd

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"greyglass/greylist"
	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
)

// The spellings of a request that a policy client may use. Each is answered, and
// the connection goes on.
func TestRequestSpellings(t *testing.T) {
	h := newFixture(t)
	client := h.Policy(t)
	plain := mtatest.PostfixRequest("recipient=RCPT")
	for _, c := range []struct {
		name, request, action string
		recipient             string // as it is logged; empty: nothing is
	}{
		{"plain", plain, mtatest.Greylisted, "rcpt"},
		{"CRLF", strings.ReplaceAll(mtatest.PostfixRequest("recipient=crlf"), "\n", "\r\n"), mtatest.Greylisted, "crlf"},
		{"an empty line with CR only", strings.TrimSuffix(mtatest.PostfixRequest("recipient=cr"), "\n") + "\r\n", mtatest.Greylisted, "cr"},
		{"unknown attributes", mtatest.PostfixRequest("recipient=unknown", "compatibility_level=3.9", "x y=z", "=", "=value"), mtatest.Greylisted, "unknown"},
		{"the last of repeated attributes counts", strings.Replace(mtatest.PostfixRequest("recipient=second"), "sender=", "recipient=first\nsender=", 1), mtatest.Greylisted, "second"},
		{"a value with =", mtatest.PostfixRequest("recipient=a=b==@example.org"), mtatest.Greylisted, "a=b==@example.org"},
		{"an empty recipient", mtatest.PostfixRequest("recipient="), mtatest.Greylisted, "<>"},
		{"no recipient", mtatest.PostfixRequest("-recipient", "sender=b@example.net"), mtatest.Greylisted, "<>"},
		{"few attributes", "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.7\nrecipient=few\nsender=a@b\n\n", mtatest.Greylisted, "few"},
		{"another order", "recipient=order\nsender=a@b\nclient_address=192.0.2.7\nprotocol_state=RCPT\nrequest=smtpd_access_policy\n\n", mtatest.Greylisted, "order"},
		{"spaces belong to the value", mtatest.PostfixRequest("recipient= x "), mtatest.Greylisted, `" x "`},

		{"another request", mtatest.PostfixRequest("request=smtpd_other"), dunno, ""},
		{"no state", mtatest.PostfixRequest("-protocol_state"), dunno, ""},
		{"an empty state", mtatest.PostfixRequest("protocol_state="), dunno, ""},
		{"CONNECT", mtatest.PostfixRequest("protocol_state=CONNECT"), dunno, ""},
		{"EHLO", mtatest.PostfixRequest("protocol_state=EHLO"), dunno, ""},
		{"MAIL", mtatest.PostfixRequest("protocol_state=MAIL"), dunno, ""},
		{"VRFY", mtatest.PostfixRequest("protocol_state=VRFY"), dunno, ""},
		{"ETRN", mtatest.PostfixRequest("protocol_state=ETRN"), dunno, ""},
		{"DATA of a message without anything left to it", mtatest.PostfixRequest("protocol_state=DATA"), dunno, ""},
		{"END-OF-MESSAGE likewise", mtatest.PostfixRequest("protocol_state=END-OF-MESSAGE"), dunno, ""},
		{"lower case", mtatest.PostfixRequest("protocol_state=rcpt"), dunno, ""},
	} {
		h.Log.Clear()
		client.Write(c.request)
		if got := client.Answer(); got != c.action {
			t.Errorf("%s: action %q, want %q", c.name, got, c.action)
		}
		switch lines := h.Log.All(""); {
		case c.recipient == "" && len(lines) > 0:
			t.Errorf("%s: logged %v", c.name, lines)
		case c.recipient != "" && (len(lines) != 1 || lines[0]["recipient"] != c.recipient):
			t.Errorf("%s: logged %v, want the recipient %s", c.name, lines, c.recipient)
		}
	}
}

// Requests that come at once are answered in their order, however they are cut
// into packets; and who asks once and shuts down its side, as Exim does, is
// answered before the connection is closed.
func TestRequestsInOrder(t *testing.T) {
	for _, address := range []listen.Address{{Network: "unix", Addr: t.TempDir() + "/policy.sock"}, {Network: "tcp4", Addr: "127.0.0.1:0"}} {
		h := build(t, func(s *mtatest.Setup) {
			s.Rules.WhitelistedTriples = [][]string{{"192.0.2", "*", "@even.example"}}
		}).At(t, address)
		for _, size := range []int{1 << 20, 4096, 701, 1} {
			client := h.Policy(t)
			var all strings.Builder
			const requests = 40
			for i := range requests {
				domain := []string{"even", "odd"}[i%2]
				all.WriteString(mtatest.PostfixRequest(fmt.Sprintf("recipient=%d-%d@%s.example", size, i, domain)))
			}
			go func() {
				for rest := all.String(); rest != ""; {
					n := min(size, len(rest))
					if _, err := io.WriteString(client.Conn, rest[:n]); err != nil {
						return
					}
					rest = rest[n:]
				}
				client.HalfClose()
			}()
			for i := range requests {
				if got, want := client.Answer(), []string{dunno, mtatest.Greylisted}[i%2]; got != want {
					t.Errorf("%s, by %d octets: request %d is answered %q, want %q", address.Network, size, i, got, want)
				}
			}
			client.Closed()
		}
		client := h.Policy(t)
		client.Write(mtatest.PostfixRequest("recipient=once@even.example"))
		client.HalfClose()
		if got := client.Answer(); got != dunno {
			t.Errorf("action %q", got)
		}
		client.Closed()
		client = h.Policy(t) // a client that only connects
		client.HalfClose()
		client.Closed()
		if lines := h.Log.All("closed"); lines != nil {
			t.Errorf("logged %v", lines)
		}
	}
}

// What is no request costs one line in the log and the connection. It is answered
// DUNNO: for Postfix, a connection that ends without an answer is a reason to defer.
func TestGarbage(t *testing.T) {
	line := strings.Repeat("x", listen.DefaultLine)
	for _, c := range []struct{ name, octets, because string }{
		{"an empty line", "\n", `no "request" attribute`},
		{"CRLF", "\r\n", `no "request" attribute`},
		{"HTTP", "GET / HTTP/1.1\r\nHost: mx\r\n\r\n", `a line without "="`},
		{"no kind of request", "recipient=a@b\n\n", `no "request" attribute`},
		{"an empty kind of request", mtatest.PostfixRequest("request="), `no "request" attribute`},
		{"a line without =", strings.Replace(mtatest.PostfixRequest(), "sender=", "sender\nsender=", 1), `a line without "="`},
		{"a line too long", mtatest.PostfixRequest("x=" + line), "a line of 16386 octets"},
		{"a request too long", strings.TrimSuffix(mtatest.PostfixRequest(), "\n") + strings.Repeat("a=b\n", listen.DefaultRequest/4), "more than 65536 octets"},
		{"too many attributes", strings.TrimSuffix(mtatest.PostfixRequest(), "\n") + strings.Repeat("a=b\n", listen.DefaultAttributes) + "\n", "more than 200 attributes"},
		{"no end of line", strings.Repeat("x", listen.DefaultRequest), "more than 65536 octets"},
		{"zeros", strings.Repeat("\x00", listen.DefaultRequest), "more than 65536 octets"},
		{"no empty line at the end", strings.TrimSuffix(mtatest.PostfixRequest(), "\n"), "does not end with an empty line"},
		{"an end within a line", "request=smtpd_access_policy\nprotocol_state=RCPT\nrecip", "does not end with an empty line"},
		{"one octet", "r", "does not end with an empty line"},
		{"a milter client", string(mtatest.Frame('O', string(mtatest.Negotiation(6, 0x1ff, 0x1fffff)))), "does not end with an empty line"},
	} {
		for _, before := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s, after %d requests", c.name, before), func(t *testing.T) {
				h := newFixture(t)
				client := h.Policy(t)
				for range before {
					client.Ask("protocol_state=MAIL")
				}
				client.Write(c.octets)
				client.HalfClose()
				if got := client.Answer(); got != dunno {
					t.Errorf("action %q", got)
				}
				client.Closed()
				lines := h.Log.All("")
				if len(lines) != 1 || !strings.Contains(lines[0]["error"], c.because) || lines[0]["via"] != "policy" {
					t.Errorf("logged %v, want %q", lines, c.because)
				}
				if rows := h.Remembered(t); rows != nil {
					t.Errorf("remembered %v", rows)
				}
			})
		}
	}
}

// The longest line and request that are taken, are.
func TestLongestRequest(t *testing.T) {
	h := newFixture(t)
	client := h.Policy(t)
	if got := client.Ask("x=" + strings.Repeat("x", listen.DefaultLine-2)); got != mtatest.Greylisted {
		t.Errorf("action %q", got)
	}
	short := mtatest.PostfixRequest("recipient=you@example.org")
	long := ""
	for room := listen.DefaultRequest - len(short); room > 0; room = listen.DefaultRequest - len(short) - len(long) {
		long += "x=" + strings.Repeat("x", min(room, 10_000)-3) + "\n"
	}
	if size := len(long) + len(short); size != listen.DefaultRequest {
		t.Fatalf("a request of %d octets", size)
	}
	client.Write(long + short)
	if got := client.Answer(); got != mtatest.Greylisted {
		t.Errorf("action %q", got)
	}
}

// Of a peer that sends without end no more is held than a request may have; and
// one long request does not cost memory for as long as the connection lives.
func TestMemoryOfAConnection(t *testing.T) {
	h := build(t)
	flood := h.Limiter.Admit(&mtatest.Endless{Octets: []byte("a=b\n")})
	if _, err := nextRequest(flood); err == nil {
		t.Error("a request without end is taken")
	}
	if n := len(flood.Buffered()); n > listen.DefaultRequest {
		t.Errorf("%d octets are buffered", n)
	}
	long := strings.Repeat("a=b\n", 10_000) + "\n"
	c := h.Limiter.Admit(&mtatest.Endless{Octets: []byte(long)})
	if text, err := nextRequest(c); err != nil || string(text) != long {
		t.Fatalf("%d octets, %v", len(text), err)
	}
}

// A panic loses no mail: where it is in judging, the answer is
// what on_error says, and anywhere else DUNNO. It is counted where it is caught.
func TestPanics(t *testing.T) {
	h := newFixture(t, func(s *mtatest.Setup) { s.Policy.OnError = greylist.Defer })
	h.Store.Before(func(context.Context) error { panic("a bug in the store") })
	client := h.Policy(t)
	for range 2 {
		if got := client.Ask(); got != "451 4.3.0 Temporary error, please try again later" {
			t.Errorf("action %q", got)
		}
		h.Judged(t, greylist.ReasonError, greylist.Defer)
	}
	h.Store.Before(nil)
	sound := h.Judge.Policy()
	h.Judge.Adopt(nil) // which no program does
	if got := client.Ask(); got != dunno {
		t.Errorf("action %q", got)
	}
	client.Closed()
	if h.Log.Last("panic in a policy session") == nil {
		t.Error("nothing is logged")
	}
	if judging, n := h.Judge.Counters().Panics(), h.Limiter.Counters().Panicked; judging != 2 || n != 1 {
		t.Errorf("%d panics are counted of judging, and %d of the front end; want 2 and 1", judging, n)
	}
	h.Judge.Adopt(sound)
	if got := h.Ask(t); got != mtatest.Greylisted {
		t.Errorf("action %q", got)
	}
}
