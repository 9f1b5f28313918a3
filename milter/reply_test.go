package milter

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/d--j/go-milter"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/greylist/judge"
	"greyglass/milter/mtatest"
)

// A reply reaches the MTA as smfi_setreply(3) has it: one line, "%" doubled.
func TestReplyText(t *testing.T) {
	long := "550 5.7.1 " + strings.Repeat("100% sure, ", 35) + "bye"
	for _, reply := range []string{"550 5.7.1 100% sure", "550 no enhanced code", "550 5.7.1 5.7.1 twice", "550 5.7.1 %", long} {
		h := newFixture(t, func(s *mtatest.Setup) {
			s.Rules.Blocked = mtatest.Patterns(t, address.Senders, "*")
			s.Rules.BlockedVerdict, s.Rules.BlockedReply = greylist.Deny, mtatest.ParseReply(t, reply)
		})
		for range 2 { // made, and kept
			m := h.MTA(t).Greet()
			m.Mail("a@example.net")
			if got, want := m.Rcpt("me@example.org"), strings.ReplaceAll(reply, "%", "%%"); got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		}
	}
}

// Cached responses equal new ones, also under concurrent use.
func TestRepliesKept(t *testing.T) {
	r := newReplies()
	answer := func(i int) judge.Answer {
		return judge.Answer{Verdict: greylist.Defer, Reply: greylist.Reply{Code: 451, Enhanced: "4.7.1", Text: fmt.Sprintf("wait %d", i)}}
	}
	var askers sync.WaitGroup
	for range 4 {
		askers.Go(func() {
			for i := range 2 * maxReplies {
				resp, err := r.respond(answer(i / 2))
				if want := fmt.Sprintf("451 4.7.1 wait %d\x00", i/2); err != nil || string(resp.Response().Data) != want {
					t.Errorf("got %v, %v; want %q", resp, err, want)
				}
			}
		})
	}
	askers.Wait()
	if n := len(r.made); n > maxReplies {
		t.Errorf("%d replies are kept", n)
	}
	if resp, err := r.respond(judge.Answer{Verdict: greylist.Accept}); resp != milter.RespContinue || err != nil {
		t.Errorf("accept is %v, %v", resp, err)
	}
	if _, err := r.respond(judge.Answer{Verdict: greylist.Defer}); err == nil {
		t.Error("a reply without a code is none")
	}
}
