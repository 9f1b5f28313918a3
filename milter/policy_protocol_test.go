package milter

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"greyglass/greylist"
)

// The spellings of a request that a policy client may use. Each is answered, and
// the connection goes on.
func TestPolicyRequestSpellings(t *testing.T) {
	h := newPolicyHouse(t)
	client := h.dial(t)
	plain := postfixRequest("recipient=RCPT")
	for _, c := range []struct {
		name, request, action string
		recipient             string // as it is logged; empty: nothing is
	}{
		{"plain", plain, greylisted, "rcpt"},
		{"CRLF", strings.ReplaceAll(postfixRequest("recipient=crlf"), "\n", "\r\n"), greylisted, "crlf"},
		{"an empty line with CR only", strings.TrimSuffix(postfixRequest("recipient=cr"), "\n") + "\r\n", greylisted, "cr"},
		{"unknown attributes", postfixRequest("recipient=unknown", "compatibility_level=3.9", "x y=z", "=", "=value"), greylisted, "unknown"},
		{"the last of repeated attributes counts", strings.Replace(postfixRequest("recipient=second"), "sender=", "recipient=first\nsender=", 1), greylisted, "second"},
		{"a value with =", postfixRequest("recipient=a=b==@example.org"), greylisted, "a=b==@example.org"},
		{"an empty recipient", postfixRequest("recipient="), greylisted, "<>"},
		{"no recipient", postfixRequest("-recipient", "sender=b@example.net"), greylisted, "<>"},
		{"few attributes", "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.7\nrecipient=few\nsender=a@b\n\n", greylisted, "few"},
		{"another order", "recipient=order\nsender=a@b\nclient_address=192.0.2.7\nprotocol_state=RCPT\nrequest=smtpd_access_policy\n\n", greylisted, "order"},
		{"spaces belong to the value", postfixRequest("recipient= x "), greylisted, `" x "`},

		{"another request", postfixRequest("request=smtpd_other"), dunno, ""},
		{"no state", postfixRequest("-protocol_state"), dunno, ""},
		{"an empty state", postfixRequest("protocol_state="), dunno, ""},
		{"CONNECT", postfixRequest("protocol_state=CONNECT"), dunno, ""},
		{"EHLO", postfixRequest("protocol_state=EHLO"), dunno, ""},
		{"MAIL", postfixRequest("protocol_state=MAIL"), dunno, ""},
		{"VRFY", postfixRequest("protocol_state=VRFY"), dunno, ""},
		{"ETRN", postfixRequest("protocol_state=ETRN"), dunno, ""},
		{"DATA of a message without anything left to it", postfixRequest("protocol_state=DATA"), dunno, ""},
		{"END-OF-MESSAGE likewise", postfixRequest("protocol_state=END-OF-MESSAGE"), dunno, ""},
		{"lower case", postfixRequest("protocol_state=rcpt"), dunno, ""},
	} {
		h.log.clear()
		client.write(c.request)
		if got := client.answer(); got != c.action {
			t.Errorf("%s: action %q, want %q", c.name, got, c.action)
		}
		switch lines := h.log.all(""); {
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
func TestPolicyRequestsInOrder(t *testing.T) {
	for _, address := range []Address{{"unix", t.TempDir() + "/policy.sock"}, {"tcp4", "127.0.0.1:0"}} {
		h := newPolicyHouseAt(t, address, func(f *furniture) {
			f.rules.WhitelistedTriples = [][]string{{"192.0.2", "*", "@even.example"}}
		})
		for _, size := range []int{1 << 20, 4096, 701, 1} {
			client := h.dial(t)
			var all strings.Builder
			const requests = 40
			for i := range requests {
				domain := []string{"even", "odd"}[i%2]
				all.WriteString(postfixRequest(fmt.Sprintf("recipient=%d-%d@%s.example", size, i, domain)))
			}
			go func() {
				for rest := all.String(); rest != ""; {
					n := min(size, len(rest))
					if _, err := io.WriteString(client.conn, rest[:n]); err != nil {
						return
					}
					rest = rest[n:]
				}
				client.halfClose()
			}()
			for i := range requests {
				if got, want := client.answer(), []string{dunno, greylisted}[i%2]; got != want {
					t.Errorf("%s, by %d octets: request %d is answered %q, want %q", address.Network, size, i, got, want)
				}
			}
			client.closed()
		}
		client := h.dial(t)
		client.write(postfixRequest("recipient=once@even.example"))
		client.halfClose()
		if got := client.answer(); got != dunno {
			t.Errorf("action %q", got)
		}
		client.closed()
		client = h.dial(t) // who only looks whether somebody is there
		client.halfClose()
		client.closed()
		if lines := h.log.all("closed"); lines != nil {
			t.Errorf("logged %v", lines)
		}
	}
}

// What is no request costs one line in the log and the connection. It is answered
// DUNNO: for Postfix, a connection that ends without an answer is a reason to defer.
func TestPolicyGarbage(t *testing.T) {
	line := strings.Repeat("x", DefaultLine)
	for _, c := range []struct{ name, octets, because string }{
		{"an empty line", "\n", `no "request" attribute`},
		{"CRLF", "\r\n", `no "request" attribute`},
		{"HTTP", "GET / HTTP/1.1\r\nHost: mx\r\n\r\n", `a line without "="`},
		{"no kind of request", "recipient=a@b\n\n", `no "request" attribute`},
		{"an empty kind of request", postfixRequest("request="), `no "request" attribute`},
		{"a line without =", strings.Replace(postfixRequest(), "sender=", "sender\nsender=", 1), `a line without "="`},
		{"a line too long", postfixRequest("x=" + line), "a line of 16386 octets"},
		{"a request too long", strings.TrimSuffix(postfixRequest(), "\n") + strings.Repeat("a=b\n", DefaultRequest/4), "more than 65536 octets"},
		{"too many attributes", strings.TrimSuffix(postfixRequest(), "\n") + strings.Repeat("a=b\n", DefaultAttributes) + "\n", "more than 200 attributes"},
		{"no end of line", strings.Repeat("x", DefaultRequest), "more than 65536 octets"},
		{"zeros", strings.Repeat("\x00", DefaultRequest), "more than 65536 octets"},
		{"no empty line at the end", strings.TrimSuffix(postfixRequest(), "\n"), "does not end with an empty line"},
		{"an end within a line", "request=smtpd_access_policy\nprotocol_state=RCPT\nrecip", "does not end with an empty line"},
		{"one octet", "r", "does not end with an empty line"},
		{"a milter client", string(frame(cmdNegotiate, string(negotiation(6, 0x1ff, 0x1fffff)))), "does not end with an empty line"},
	} {
		for _, before := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s, after %d requests", c.name, before), func(t *testing.T) {
				h := newPolicyHouse(t)
				client := h.dial(t)
				for range before {
					client.ask("protocol_state=MAIL")
				}
				client.write(c.octets)
				client.halfClose()
				if got := client.answer(); got != dunno {
					t.Errorf("action %q", got)
				}
				client.closed()
				lines := h.log.all("")
				if len(lines) != 1 || !strings.Contains(lines[0]["error"], c.because) || lines[0]["via"] != "policy" {
					t.Errorf("logged %v, want %q", lines, c.because)
				}
				if n := h.memory.size(); n != 0 {
					t.Errorf("%d triplets are remembered", n)
				}
			})
		}
	}
}

// The longest line and request that are taken, are.
func TestPolicyLongestRequest(t *testing.T) {
	h := newPolicyHouse(t)
	client := h.dial(t)
	if got := client.ask("x=" + strings.Repeat("x", DefaultLine-2)); got != greylisted {
		t.Errorf("action %q", got)
	}
	short := postfixRequest("recipient=you@example.org")
	long := ""
	for room := DefaultRequest - len(short); room > 0; room = DefaultRequest - len(short) - len(long) {
		long += "x=" + strings.Repeat("x", min(room, 10_000)-3) + "\n"
	}
	if size := len(long) + len(short); size != DefaultRequest {
		t.Fatalf("a request of %d octets", size)
	}
	client.write(long + short)
	if got := client.answer(); got != greylisted {
		t.Errorf("action %q", got)
	}
}

// Of a peer that sends without end no more is held than a request may have; and
// one long request does not cost memory for as long as the connection lives.
func TestPolicyMemoryOfAConnection(t *testing.T) {
	h := buildPolicyHouse(t, nil)
	flood := h.gate.enter(&endless{octets: []byte("a=b\n")}, "policy")
	if _, err := flood.nextRequest(); err == nil {
		t.Error("a request without end is taken")
	}
	if len(flood.buf) > DefaultRequest {
		t.Errorf("the buffer is of %d octets", len(flood.buf))
	}
	long, short := strings.Repeat("a=b\n", 10_000)+"\n", postfixRequest()
	peer := &endless{octets: []byte(long)}
	c := h.gate.enter(peer, "policy")
	if text, err := c.nextRequest(); err != nil || string(text) != long {
		t.Fatalf("%d octets, %v", len(text), err)
	}
	c.pos, c.end = 0, 0 // of the same again
	peer.octets, peer.at = []byte(short), 0
	if text, err := c.nextRequest(); err != nil || string(text) != short {
		t.Fatalf("%q, %v", text, err)
	}
	if len(c.buf) > readBuffer {
		t.Errorf("the buffer is still of %d octets", len(c.buf))
	}
}

// A bug of ours costs nobody their mail: where it is in judging, the answer is
// what on_error says, and anywhere else DUNNO. It is counted where it is caught.
func TestPolicyPanics(t *testing.T) {
	h := newPolicyHouse(t, func(f *furniture) { f.policy.OnError = greylist.Defer })
	h.memory.breakIn(func() { panic("a bug in the memory") })
	client := h.dial(t)
	for range 2 {
		if got := client.ask(); got != "451 4.3.0 Temporary error, please try again later" {
			t.Errorf("action %q", got)
		}
		h.judged(t, greylist.ReasonError, greylist.Defer)
	}
	h.memory.breakIn(nil)
	sound := h.judge.Policy()
	h.judge.Adopt(nil) // which no program does
	if got := client.ask(); got != dunno {
		t.Errorf("action %q", got)
	}
	client.closed()
	if h.log.last("panic in a policy session") == nil {
		t.Error("nothing is logged")
	}
	if judging, n := h.judge.Counters().Panics(), h.gate.Traffic()["policy"].Panicked; judging != 2 || n != 1 {
		t.Errorf("%d panics are counted of judging, and %d of the front end; want 2 and 1", judging, n)
	}
	h.judge.Adopt(sound)
	if got := h.ask(t); got != greylisted {
		t.Errorf("action %q", got)
	}
}
