package policyd

import (
	"bytes"
	"errors"
	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
	"regexp"
	"strings"
	"testing"
	"time"
)

// FuzzRequest: any text is a request or an error; where a request ends
// does not depend on how it comes, and CRLF means what LF does.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(mtatest.PostfixRequest()), 10)
	f.Add([]byte(strings.ReplaceAll(mtatest.PostfixRequest(), "\n", "\r\n")), 100)
	f.Add([]byte(mtatest.PostfixRequest("-client_address", "sender==", "x")), 0)
	for _, text := range []string{"", "\n", "\r\n", "\r\r\n", "=\n\n", "request=\n\n", "request\n\n", "a=b\n\r\n\n", "a=b\r\n\r", "a=b\n\n\nc=d\n\n", "\xff=\x00\n\n"} {
		f.Add([]byte(text), 1)
	}
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		before := bytes.Clone(text)
		r, err := parseRequest(text, defaults)
		size, whole := requestEnd(text, 0)
		if err != nil && !errors.Is(err, errRequest) {
			t.Errorf("error %v", err)
		}
		if err == nil && r.kind == "" {
			t.Error("a request of no kind")
		}
		_ = r.attempt()
		if whole {
			if last := text[size-1]; last != '\n' {
				t.Errorf("a request ends with %q", last)
			}
			again, errAgain := parseRequest(text[:size], defaults)
			if again != r || (err == nil) != (errAgain == nil) {
				t.Errorf("what follows the request changes it from %+v, %v to %+v, %v", again, errAgain, r, err)
			}
		}
		if cut >= 0 && cut < len(text) {
			early, found := requestEnd(text[:cut], 0)
			if found && (early != size || !whole) {
				t.Errorf("of %d octets, %d are a request; of all, %d", cut, early, size)
			}
			if later, ok := requestEnd(text, cut); !found && (later != size || ok != whole) {
				t.Errorf("looked at from %d on, the request has %d octets, else %d", cut, later, size)
			}
		}
		if !bytes.ContainsRune(text, '\r') {
			crlf, errCRLF := parseRequest(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")), defaults)
			if crlf != r || (err == nil) != (errCRLF == nil) {
				t.Errorf("with CRLF it is %+v, %v", crlf, errCRLF)
			}
		}
		if !bytes.Equal(before, text) {
			t.Error("the text itself is changed")
		}
	})
}

var policyAnswer = regexp.MustCompile(`\Aaction=(DUNNO|[45]\d\d [ -~]+)\n\n`)

// FuzzSession: whatever octets come, and in whatever pieces, the session
// ends when they do, and has answered each request, and what is none, once.
func FuzzSession(f *testing.F) {
	one := mtatest.PostfixRequest()
	f.Add([]byte(one), 0)
	f.Add([]byte(one+one+strings.ReplaceAll(one, "\n", "\r\n")+"\n"+one), 7)
	f.Add([]byte(one+strings.TrimSuffix(one, "\n")), 100)
	f.Add([]byte(mtatest.PostfixRequest(mtatest.Bounce("RCPT", "1", "me@example.org")...)+mtatest.PostfixRequest(mtatest.Bounce("DATA", "1", "")...)+mtatest.PostfixRequest(mtatest.Bounce("DATA", "1", "")...)), 1)
	f.Add([]byte("request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=\n\nrequest=x\n\n"), 2)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), 0)
	f.Add(mtatest.Frame('O', string(mtatest.Negotiation(6, 0x1ff, 0x1fffff))), 0)
	f.Add([]byte{}, 0)

	h := onPipes(f)
	f.Fuzz(func(t *testing.T, octets []byte, most int) {
		peer := mtatest.NewRecorded(octets)
		peer.Most = most
		h.Take(peer)
		select {
		case <-peer.Closed:
		case <-time.After(mtatest.Timeout):
			t.Fatal("the session does not end")
		}
		heard, answers := peer.Hears.Bytes(), 0
		for len(heard) > 0 {
			answer := policyAnswer.Find(heard)
			if answer == nil {
				t.Fatalf("answers %q", heard)
			}
			heard = heard[len(answer):]
			answers++
		}
		if want := answersDue(octets); answers != want {
			t.Errorf("%d answers to %q, want %d", answers, octets, want)
		}
		if panics := h.Log.All("panic"); panics != nil {
			t.Fatal(panics)
		}
		h.Log.Clear()
		h.Store.Clear(t)
	})
}

// defaults are the bounds of requests that hold by default.
var defaults = &mtatest.Limits

// answersDue is how many answers a peer gets that says this: one to each
// request, up to what is none, which gets one too and is the last.
func answersDue(octets []byte) int {
	var text []byte
	answers := 0
	for _, line := range bytes.SplitAfter(octets, []byte("\n")) {
		text = append(text, line...)
		if len(text) > listen.DefaultRequest {
			return answers + 1
		}
		if line := string(line); line != "\n" && line != "\r\n" {
			continue
		}
		answers++
		if _, err := parseRequest(text, defaults); err != nil {
			return answers
		}
		text = nil
	}
	if len(text) > 0 { // without its end
		answers++
	}
	return answers
}
