package judge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"greyglass/greylist"
	"greyglass/greylist/clock"
	"greyglass/greylist/rules"
	"greyglass/sqlstore/memstore"
)

// TestDecisionLog fixes the log line that scripts rely on: keys and order, in both formats.
func TestDecisionLog(t *testing.T) {
	full := unknownAttempt
	full.QueueID = "4XyZ0"
	bounce := unknownAttempt
	bounce.Helo, bounce.Sender, bounce.Recipient, bounce.Via = "", "<>", "Postmaster", "policy"
	bounce.Client = greylist.ParseClient("[IPv6:2001:db8::7]")
	local := unknownAttempt
	local.Client = greylist.LocalClient("local")
	nowhere := unknownAttempt
	nowhere.Client = greylist.ParseClient("unknown host")
	listed := unknownAttempt
	listed.Recipient = "<sales@example.org>"
	forged := unknownAttempt
	forged.Sender = "<jane@forged.example>"
	for _, c := range []struct {
		name       string
		a          greylist.Attempt
		text, json string
	}{
		{"greylisted by a rule, which has looked SPF up", listed,
			"verdict=defer reason=not-seen-before client=192.0.2.7 helo=mx.example.com sender=jane@example.com recipient=sales@example.org wait=3600 rule=sales spf=softfail via=milter took=0.000ms",
			`"verdict":"defer","reason":"not-seen-before","client":"192.0.2.7","helo":"mx.example.com","sender":"jane@example.com","recipient":"sales@example.org","wait":3600,"rule":"sales","spf":"softfail","via":"milter","took":"0.000ms"`},
		{"accepted by a rule before SPF was looked up", forged,
			"verdict=accept reason=rule:forged client=192.0.2.7 helo=mx.example.com sender=jane@forged.example recipient=john@example.org via=milter took=0.000ms",
			`"verdict":"accept","reason":"rule:forged","client":"192.0.2.7","helo":"mx.example.com","sender":"jane@forged.example","recipient":"john@example.org","via":"milter","took":"0.000ms"`},
		{"greylisted", full,
			"verdict=defer reason=not-seen-before client=192.0.2.7 helo=mx.example.com sender=jane@example.com recipient=john@example.org wait=3600 queue_id=4XyZ0 via=milter took=0.000ms",
			`"verdict":"defer","reason":"not-seen-before","client":"192.0.2.7","helo":"mx.example.com","sender":"jane@example.com","recipient":"john@example.org","wait":3600,"queue_id":"4XyZ0","via":"milter","took":"0.000ms"`},
		{"a bounce by IPv6", bounce,
			`verdict=defer reason=not-seen-before client=2001:db8::7 helo="" sender=<> recipient=postmaster wait=3600 identity=2001:db8::/64 via=policy took=0.000ms`,
			`"verdict":"defer","reason":"not-seen-before","client":"2001:db8::7","helo":"","sender":"<>","recipient":"postmaster","wait":3600,"identity":"2001:db8::/64","via":"policy","took":"0.000ms"`},
		{"local", local,
			"verdict=accept reason=local client=local helo=mx.example.com sender=jane@example.com recipient=john@example.org via=milter took=0.000ms",
			`"verdict":"accept","reason":"local","client":"local","helo":"mx.example.com","sender":"jane@example.com","recipient":"john@example.org","via":"milter","took":"0.000ms"`},
		{"an error", nowhere,
			`verdict=accept reason=error client="unknown host" helo=mx.example.com sender=jane@example.com recipient=john@example.org via=milter took=0.000ms error="the client has no address that can be understood"`,
			`"verdict":"accept","reason":"error","client":"unknown host","helo":"mx.example.com","sender":"jane@example.com","recipient":"john@example.org","via":"milter","took":"0.000ms","error":"the client has no address that can be understood"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // so that nothing takes any time
				judge := func(handler slog.Handler) {
					p := newPolicy(t)
					p.Rules = mustCompile(t, rules.Config{AcceptLoopback: true, Lookup: softfail{}, LookupTimeout: time.Second, Ordered: []rules.Rule{
						{Name: "forged", When: `sender_domain == "forged.example"`, Then: greylist.Accept},
						{Name: "sales", When: `recipient_local == "sales" && spf != "pass"`, Then: rules.Greylist},
					}})
					j := New(memstore.New(), p, slog.New(handler), clock.New(time.Now, slog.New(handler)))
					if _, left := j.Recipient(t.Context(), nil, c.a); left != nil {
						j.Data(t.Context(), "", []*Pending{left})
					}
				}
				var text, json bytes.Buffer
				judge(slog.NewTextHandler(&text, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
				judge(slog.NewJSONHandler(&json, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
				if got, want := text.String(), "level=INFO msg=decision "+c.text+"\n"; got != want {
					t.Errorf("text:\n got %swant %s", got, want)
				}
				if got, want := json.String(), `{"level":"INFO","msg":"decision",`+c.json+"}\n"; got != want {
					t.Errorf("JSON:\n got %swant %s", got, want)
				}
			})
		})
	}
}

// softfail is what DNS says of every sender.
type softfail struct{}

func (softfail) SPF(context.Context, netip.Addr, string, string) rules.SPF {
	return rules.SPF{Result: rules.SPFSoftFail, Why: "~all"}
}

func (softfail) Listed(context.Context, netip.Addr, ...string) rules.Listing {
	return rules.Listing{Status: rules.NotInList}
}

func (softfail) Dynamic(string, netip.Addr) bool { return false }

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// TestLogCannotBeForged: whatever a client says, it writes one line, in which
// it can't add a key, and nothing that a terminal obeys.
func TestLogCannotBeForged(t *testing.T) {
	for _, hostile := range []string{
		"x\ntime=2026-01-01T00:00:00Z level=INFO msg=decision verdict=accept",
		"x\r\nmsg=decision verdict=accept",
		`x" verdict=accept reason="local`,
		`x","verdict":"accept","y":"`,
		"x verdict=accept",
		"x\x1b]0;title\x07\x1b[2J",
		"x\x00\x85\u2028\u2029\u202e",
		"x\xff\xfe\xc3",
	} {
		a := greylist.Attempt{
			Client:    greylist.ParseClient(hostile),
			Helo:      hostile,
			Sender:    hostile,
			Recipient: hostile,
			QueueID:   hostile,
			Via:       "milter",
		}
		var text, asJSON bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&asJSON, nil)} {
			New(memstore.New(), newPolicy(t), slog.New(handler), clock.New(time.Now, slog.New(handler))).Recipient(t.Context(), nil, a)
		}
		for _, out := range []string{text.String(), asJSON.String()} {
			line := strings.TrimSuffix(out, "\n")
			if strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
				t.Errorf("%q writes %q", hostile, out)
			}
		}
		var values map[string]string
		if err := json.Unmarshal(asJSON.Bytes(), &values); err != nil || values["verdict"] != "accept" || values["reason"] != "error" {
			t.Errorf("%q: %v in %s", hostile, err, &asJSON)
		}
		keys, err := keysOfLine(text.String())
		want := []string{"time", "level", "msg", "verdict", "reason", "client", "helo", "sender", "recipient", "queue_id", "via", "took", "error"}
		if err != nil || !slices.Equal(keys, want) {
			t.Errorf("%q: keys %q, %v in %s", hostile, keys, err, &text)
		}
	}
}

// keysOfLine reads a line of the log in text as scripts would.
func keysOfLine(line string) (keys []string, err error) {
	for rest := strings.TrimSuffix(line, "\n"); rest != ""; {
		key, value, ok := strings.Cut(rest, "=")
		if !ok {
			return keys, fmt.Errorf("no value in %q", rest)
		}
		keys = append(keys, key)
		if strings.HasPrefix(value, `"`) {
			quoted, err := strconv.QuotedPrefix(value)
			if err != nil {
				return keys, fmt.Errorf("%w in %q", err, value)
			}
			value = value[len(quoted):]
		} else if i := strings.IndexByte(value, ' '); i >= 0 {
			value = value[i:]
		} else {
			value = ""
		}
		rest = strings.TrimPrefix(value, " ")
	}
	return keys, nil
}

// TestNoLogBelowInfo: a quiet log costs nothing and gets nothing.
func TestNoLogBelowInfo(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	New(memstore.New(), newPolicy(t), log, clock.New(time.Now, log)).Recipient(t.Context(), nil, unknownAttempt)
	if out.Len() > 0 {
		t.Errorf("logged %s", &out)
	}
}
