package peerconfig

import (
	"strings"
	"testing"
)

// Whatever is converted, the result loads.
func FuzzConvert(f *testing.F) {
	f.Add(uint8(0), "racl whitelist not from /a'''b/ spf pass msg \"x\\\"\nlist \"l\" addr { 192.0.2.1 }\nracl blacklist list \"l\" code \"550\"\ngreylist 1h\n")
	f.Add(uint8(1), "example.net\n/x(/\n192.0.2\n")
	f.Add(uint8(2), "postmaster@\nann@example.org\nexample.com\n")
	f.Add(uint8(3), "*.example.net\nmx.example.com\n")
	f.Add(uint8(4), "192.0.2.1/24\n2001:db8::1\n")
	f.Fuzz(func(t *testing.T, kind uint8, text string) {
		out, err := Convert(strings.NewReader(text), "FILE", Kinds()[int(kind)%len(kinds)])
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %v", err)
			}
			return
		}
		if _, err := load(t, out); err != nil {
			t.Errorf("it does not load: %v\n%s", err, out)
		}
	})
}
