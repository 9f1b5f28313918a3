package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"greyglass/e2e/lab"
)

// TestBench runs a bench that is as short as can be: that its figures mean
// anything is seen from the verdicts.
func TestBench(t *testing.T) {
	b := &bench{binary: lab.Program(), rounds: 1, length: 150 * time.Millisecond, sizes: []uint64{0}, connections: []int{4}, loads: loads, parent: t.TempDir()}
	for _, name := range []string{"message", "reused", "whole", "lone"} {
		block, err := blockNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		b.blocks = append(b.blocks, block)
	}
	if len(b.parent) > 60 {
		b.parent = "/tmp" // for the sockets' sake
	}
	if err := b.all(); err != nil {
		t.Fatal(err)
	}
	if want := 2 * (3*len(loads) + 1); len(b.rows) != want {
		t.Errorf("%d rows, want %d", len(b.rows), want)
	}
	for _, r := range b.rows {
		if r.transactions == 0 || r.checked && r.wrong > 0 || r.checked != (r.program == "greyglass") {
			t.Error(r)
		}
	}
}

func TestTripletsDiffer(t *testing.T) {
	seen := make(map[triplet]bool)
	for n := range uint64(100_000) {
		tr := tripletOf(n)
		if seen[tr] || strings.HasPrefix(tr.client, "127.") {
			t.Fatal(tr)
		}
		seen[tr] = true
	}
}

// TestDialect reads negotiations as filters answer them.
func TestDialect(t *testing.T) {
	whole := func(protocol uint32, macros string) []byte {
		return append(append([]byte{'O'}, words(6, 0, protocol)...), macros...)
	}
	d, err := newDialect(whole(noData|noMailReply, "\x00\x00\x00\x03i\x00\x00\x00\x00\x02\x00"))
	if err != nil {
		t.Fatal(err)
	}
	if d.protocol != noData|noMailReply {
		t.Errorf("protocol %#x", d.protocol)
	}
	if got := string(d.macros['R']); got != "\x00\x00\x00\x14DRi\x004Zabcd1234z9XyZ\x00" {
		t.Errorf("RCPT has the macros %q, want only that which was asked for", got)
	}
	if got, ok := d.macros['M']; ok {
		t.Errorf("MAIL has the macros %q, want none", got)
	}
	if !strings.Contains(string(d.macros['C']), "Postfix") {
		t.Error("CONNECT lacks its usual macros")
	}
	for _, bad := range []string{"", "c", "O\x00\x00\x00\x06"} {
		if _, err := newDialect([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestMiddle(t *testing.T) {
	for _, c := range []struct {
		all  []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 4}, 4}} {
		if got := middle(c.all, func(f float64) float64 { return f }); got != c.want {
			t.Errorf("%v: %v, want %v", c.all, got, c.want)
		}
	}
}

func TestMain(m *testing.M) { os.Exit(lab.MainWithProgram(m, lab.Strace)) }

// TestTimerSlack: the daemon is measured with what its systemd unit says.
func TestTimerSlack(t *testing.T) {
	unit, err := os.ReadFile("../../contrib/systemd/greyglass.service")
	if err != nil {
		t.Fatal(err)
	}
	if line := "\nTimerSlackNSec=1ms\n"; timerSlack != time.Millisecond || !strings.Contains(string(unit), line) {
		t.Errorf("the bench has %v, and the unit should have%s", timerSlack, line)
	}
}
