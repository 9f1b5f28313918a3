package milter

import (
	"fmt"
	"greyglass/milter/mtatest"
	"testing"

	"github.com/d--j/go-milter"
)

// What is asked of an MTA, by what it offers: never more.
func TestNegotiation(t *testing.T) {
	h := newFixture(t)
	const noReplies = milter.OptNoConnReply | milter.OptNoHeloReply | milter.OptNoMailReply
	const noMessage = milter.OptNoBody | milter.OptNoHeaders | milter.OptNoEOH
	for _, c := range []struct {
		version  uint32
		actions  milter.OptAction // beyond those of the version, if not zero
		protocol milter.OptProtocol

		gotVersion uint32
		want       milter.OptProtocol
		macros     bool
	}{
		{version: 2, gotVersion: 2, want: noMessage},
		{version: 3, gotVersion: 3, want: noMessage | milter.OptNoUnknown},
		{version: 4, gotVersion: 4, want: noMessage | milter.OptNoUnknown},
		{version: 6, gotVersion: 6, want: noMessage | milter.OptNoUnknown | noReplies, macros: true},
		{version: 7, gotVersion: 6, want: noMessage | milter.OptNoUnknown | noReplies, macros: true},
		{version: 6, actions: milter.OptAddHeader, gotVersion: 6, want: noMessage | milter.OptNoUnknown | noReplies},
		{version: 6, protocol: milter.OptNoConnReply | milter.OptNoData, gotVersion: 6, want: milter.OptNoConnReply, macros: true},
		{version: 6, protocol: 0xf0000000 | milter.OptNoBody, gotVersion: 6, want: milter.OptNoBody, macros: true},
	} {
		t.Run(fmt.Sprintf("version %d, %#x, %#x", c.version, uint32(c.actions), uint32(c.protocol)), func(t *testing.T) {
			actions, protocol := mtatest.Offers(c.version)
			if c.actions != 0 {
				actions = c.actions
			}
			if c.protocol != 0 {
				protocol = c.protocol
			}
			m := mtatest.On(t, h.Dial(t))
			m.Offer(c.version, actions, protocol)
			if m.Version != c.gotVersion || m.Protocol != c.want {
				t.Errorf("version %d, protocol %v; want version %d, %v", m.Version, m.Protocol, c.gotVersion, c.want)
			}
			if m.Actions&^(actions&milter.OptSetMacros) != 0 {
				t.Errorf("actions %v are asked for", m.Actions)
			}
			want := map[byte]string{}
			if c.macros {
				want = map[byte]string{
					milter.StageConnect: "v {client_resolve}",
					milter.StageHelo:    "{verify} {cert_subject}",
					milter.StageMail:    "i {auth_authen} {verify} {cert_subject}",
					milter.StageRcpt:    "i",
					milter.StageData:    "i",
					milter.StageEOM:     "i",
				}
			}
			if fmt.Sprint(m.Macros) != fmt.Sprint(want) {
				t.Errorf("macros %v, want %v", m.Macros, want)
			}
			m.Greet() // each command is answered that was not negotiated away
			m.Mail("a@example.net")
			if got := m.Rcpt(fmt.Sprintf("me%p@example.org", m)); got != mtatest.Greylisted {
				t.Errorf("answer %q", got)
			}
			m.Quit()
		})
	}
	for _, tooOld := range []uint32{0, 1} {
		m := mtatest.On(t, h.Dial(t))
		m.Send(cmdNegotiate, mtatest.Negotiation(tooOld, 0x3f, 0x7f)...)
		m.Closed()
	}
}

// Postfix keeps CONNECT, HELO and MAIL back and writes them with RCPT at once.
func TestCommandsInOneWrite(t *testing.T) {
	h := newFixture(t)
	m := h.MTA(t)
	for message := range 3 {
		m.Hold()
		if message == 0 {
			m.Greet()
		}
		m.Mail("a@example.net")
		for i := range 50 {
			m.Rcpt(fmt.Sprintf("me%d-%d@example.org", message, i))
		}
		m.Send(cmdData)
		m.Abort()
		m.Flush()
		for i := range 50 {
			if got := m.Reply(); got != mtatest.Greylisted {
				t.Fatalf("message %d, recipient %d: answer %q", message, i, got)
			}
		}
		if got := m.Reply(); got != mtatest.Continue {
			t.Fatalf("DATA answered %q", got)
		}
	}
	m.Quit()
}
