package policyd

import (
	"testing"

	"greyglass/greylist"
	"greyglass/greylist/address"
	"greyglass/milter/mtatest"
)

// TestClientName: Postfix says "unknown" of a client whose name does not lead back to
// its address.
func TestClientName(t *testing.T) {
	for name, want := range map[string]string{"mx.example.net": "mx.example.net", "unknown": "", "": "", "unknown.example.net": "unknown.example.net"} {
		r, err := parseRequest([]byte(mtatest.PostfixRequest("client_name="+name)), defaults)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.attempt().ClientName; got != want {
			t.Errorf("%q: the client is called %q, want %q", name, got, want)
		}
	}
}

// What only Postfix can say of a client, or leave out.
func TestAttributes(t *testing.T) {
	const noAddress = "the client has no address that can be understood"
	h := newFixture(t, func(s *mtatest.Setup) {
		s.Rules.AcceptVerifiedTLS = true
		s.Rules.Blocked = mtatest.Patterns(t, address.Senders, "spam@example.com")
		s.Policy.OnError = greylist.Defer
	})
	client := h.Policy(t)
	for _, c := range []struct {
		attributes []string
		action     string
		logged     map[string]string // "": no such key
	}{
		{[]string{"-client_address"}, "451 4.3.0 Temporary error, please try again later", map[string]string{"reason": "error", "client": "", "error": noAddress}},
		{[]string{"sender=<spam@example.com>"}, "451 4.2.2 Mailbox full, retry later", map[string]string{"reason": "blocked"}},
		{[]string{"recipient=a@example.org", "sasl_method=PLAIN", "sasl_sender=bob"}, mtatest.Greylisted, map[string]string{"reason": "not-seen-before"}},
		{[]string{"recipient=b@example.org", "sasl_method=PLAIN", "sasl_username=bob"}, dunno, map[string]string{"reason": "authenticated"}},
		{[]string{"recipient=c@example.org", "ccert_subject=client", "ccert_issuer=Lab+20CA", "ccert_fingerprint=AA:BB"}, dunno, map[string]string{"reason": "authenticated"}},
		{[]string{"recipient=d@example.org", "ccert_fingerprint=AA:BB", "ccert_pubkey_fingerprint=CC:DD", "encryption_protocol=TLSv1.3"}, // of an unknown CA
			mtatest.Greylisted, map[string]string{"reason": "not-seen-before"}},
		{[]string{"recipient=e@example.org", "-queue_id", "-helo_name"}, mtatest.Greylisted, map[string]string{"reason": "not-seen-before", "queue_id": "", "helo": ""}},
	} {
		if got := client.Ask(c.attributes...); got != c.action {
			t.Errorf("%q: action %q, want %q", c.attributes, got, c.action)
		}
		line := h.Log.Last("decision")
		for key, want := range c.logged {
			if line[key] != want {
				t.Errorf("%q: logged %v, want %s=%q", c.attributes, line, key, want)
			}
		}
	}
	if _, there := h.Log.Last("decision")["queue_id"]; there {
		t.Errorf("logged %v", h.Log.Last("decision"))
	}
}
