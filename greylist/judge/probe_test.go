package judge

import (
	"strings"
	"testing"

	"greyglass/greylist"
	"greyglass/greylist/rules"
)

// TestProbeIsInNoStatistics: what 'greyglass probe' asks is remembered, but counts neither as
// an answer to the triplet, nor for the client, nor as use of a list's entry; nor is that used
// by an explanation.
func TestProbeIsInNoStatistics(t *testing.T) {
	list, err := rules.ParseList(strings.NewReader("@example.com\n"), rules.ListFile{Kind: rules.SenderList, File: "known.list"})
	if err != nil {
		t.Fatal(err)
	}
	list.Uses = new(greylist.Uses)
	p := provenPolicy(t)
	p.Rules = mustCompile(t, rules.Config{
		Ordered: []rules.Rule{{Name: "known", When: `sender in list("known.list")`, Then: rules.Greylist}},
		Scope:   rules.Scope{List: func(rules.ListFile) *rules.List { return list }},
	})
	c := newCourt(p)
	probe := attemptTo("bob")
	probe.Via = greylist.ViaProbe
	c.pass(t, probe)
	entry, err := c.store.Get(t.Context(), greylist.Triplet{Client: "192.0.2.7", Sender: "jane@example.com", Recipient: "bob@example.org"})
	if err != nil || entry == nil || !entry.Passed() || entry.Deferred+entry.Accepted != 0 {
		t.Errorf("%+v, %v", entry, err)
	}
	if client, err := c.store.Client(t.Context(), "192.0.2.7"); client != nil || err != nil {
		t.Errorf("the client is %+v, %v", client, err)
	}
	if _, err := p.Explain(t.Context(), c.store, attemptTo("bob"), c.clock); err != nil {
		t.Error(err)
	}
	if used := list.Uses.Take(); len(used) != 0 {
		t.Errorf("used: %v", used)
	}
	c.wantReason(t, attemptTo("bob"), greylist.ReasonAlreadyGrey)
	if used := list.Uses.Take(); len(used) != 1 {
		t.Errorf("used: %v", used)
	}
}
