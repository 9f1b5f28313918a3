package milter

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"greyglass/milter/listen"
	"greyglass/milter/mtatest"
)

// The library sees only the macros that sessions read, each once and bounded, so
// that what a peer sends costs no memory that stays.
func TestMacrosAreBounded(t *testing.T) {
	many := strings.Repeat("{x}\x00y\x00", 9000)
	long := strings.Repeat("l", 60_000)
	for _, c := range []struct{ name, sent, kept string }{
		{"none", "C", "C"},
		{"none of ours", "Cj\x00mx\x00{daemon_name}\x00d\x00", "C"},
		{"ours", "Mi\x00AB12\x00{mail_addr}\x00a@b\x00{auth_authen}\x00bob\x00", "Mi\x00AB12\x00{auth_authen}\x00bob\x00"},
		{"empty", "H{cert_subject}\x00\x00", "H{cert_subject}\x00\x00"},
		{"without its end", "R{x}\x00y\x00i\x00AB12", "Ri\x00AB12\x00"},
		{"without a value", "Ti", "Ti\x00\x00"},
		{"twice: the last counts", "Ei\x001\x00i\x002\x00", "Ei\x002\x00"},
		{"long", "Mi\x00" + long + "\x00", "Mi\x00" + long[:maxMacro] + "\x00"},
		{"many", "M" + many + "i\x00AB12\x00", "Mi\x00AB12\x00"},
		{"a stage that is not read", "Bi\x00AB12\x00", ""},
		{"an unknown stage", "?i\x00AB12\x00", ""},
	} {
		got := keepMacros(mtatest.Frame(cmdMacro, c.sent))
		want := mtatest.Frame(cmdMacro, c.kept)
		if c.kept == "" {
			want = nil
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", c.name, got, want)
		}
	}
	for _, name := range macroNames {
		asked := false
		for _, names := range macrosRead {
			for _, n := range names {
				asked = asked || n == name
			}
		}
		if !asked {
			t.Errorf("%s is kept, and not asked for", name)
		}
	}
}

// A session that is flooded with macros hands on next to nothing.
func TestMacroFlood(t *testing.T) {
	flood := append(mtatest.Frame(cmdNegotiate, string(mtatest.Negotiation(6, 0, 0))), mtatest.Frame(cmdAbort, "")...)
	for range 10 {
		for _, stage := range "CHMRTNELBUA" {
			flood = append(flood, mtatest.Frame(cmdMacro, string(stage)+strings.Repeat("{x}\x00y\x00i\x00z\x00", 6000))...)
		}
	}
	h := build(t)
	c := &frames{Conn: h.Limiter.Admit(mtatest.NewRecorded(flood))}
	read, err := io.Copy(io.Discard, c)
	if err != nil || read > 2000 || len(flood) < 10*listen.DefaultRequest {
		t.Errorf("%d octets of %d reach the library, %v", read, len(flood), err)
	}
}
