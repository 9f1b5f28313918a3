package policyd

import (
	"testing"

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
