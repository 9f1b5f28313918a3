package greylist

import (
	"strings"
	"testing"
)

func TestParseReply(t *testing.T) {
	longest := "451 4.7.1 " + strings.Repeat("x", maxReply-len("451 4.7.1 "))
	for _, c := range []struct {
		in      string
		verdict Verdict
		want    Reply
	}{
		{"451 4.7.1 Greylisted, please try again in {wait}", Defer, Reply{451, "4.7.1", "Greylisted, please try again in {wait}"}},
		{"550 5.7.1 Not wanted here", Deny, Reply{550, "5.7.1", "Not wanted here"}},
		{"450 Try again later", Defer, Reply{450, "", "Try again later"}},
		{"451  4.7.1  Wide ", Defer, Reply{451, "4.7.1", "Wide"}},
		{"451 4.7.123 Text", Defer, Reply{451, "4.7.123", "Text"}},
		{"451 4.7.1234 Text", Defer, Reply{451, "", "4.7.1234 Text"}},
		{"451 4.7 is not a status code", Defer, Reply{451, "", "4.7 is not a status code"}},
		{"451 44.7.1 neither", Defer, Reply{451, "", "44.7.1 neither"}},
		{"451 4.7.x neither", Defer, Reply{451, "", "4.7.x neither"}},
		{"451 4.7.1 4.7.2 twice", Defer, Reply{451, "4.7.1", "4.7.2 twice"}},
		{"451 100% %s ${x}", Defer, Reply{451, "", "100% %s ${x}"}},
		{longest, Defer, Reply{451, "4.7.1", strings.Repeat("x", maxReply-len("451 4.7.1 "))}},
	} {
		got, err := ParseReply(c.in, c.verdict)
		if err != nil || got != c.want {
			t.Errorf("%q: got %+v, %v; want %+v", c.in, got, err, c.want)
		}
	}
}

func TestBadReply(t *testing.T) {
	const (
		deferExample = `; write a reply such as "451 4.7.1 Try again later"`
		denyExample  = `; write a reply such as "550 5.7.1 Not wanted here"`
		noCode       = "it does not begin with a three-digit code"
		notASCII     = "it holds something other than printable ASCII"
		noText       = "it has no text"
	)
	for _, c := range []struct {
		in      string
		verdict Verdict
		want    string
	}{
		{"", Defer, noCode + deferExample},
		{"later", Defer, noCode + deferExample},
		{" 451 4.7.1 Text", Defer, noCode + deferExample},
		{"4510 Text", Defer, noCode + deferExample},
		{"451-4.7.1 Text", Defer, noCode + deferExample},
		{"45x Text", Defer, noCode + deferExample},
		{"+45 Text", Defer, "45 is not a 4xx code" + deferExample},
		{"250 2.0.0 Text", Defer, "250 is not a 4xx code" + deferExample},
		{"550 5.7.1 Text", Defer, "550 is not a 4xx code" + deferExample},
		{"451 4.7.1 Text", Deny, "451 is not a 5xx code" + denyExample},
		{"421 4.3.2 Text", Defer, "421 would make the MTA close the connection" + deferExample},
		{"451 5.7.1 Text", Defer, "451 and 5.7.1 do not agree" + deferExample},
		{"550 4.7.1 Text", Deny, "550 and 4.7.1 do not agree" + denyExample},
		{"451", Defer, noText + deferExample},
		{"451 ", Defer, noText + deferExample},
		{"451 4.7.1", Defer, noText + deferExample},
		{"451 4.7.1 ", Defer, noText + deferExample},
		{"451 4.7.1 Später", Defer, notASCII + deferExample},
		{"451 4.7.1 One\r\n250 Two", Defer, notASCII + deferExample},
		{"451 4.7.1 One\tTwo", Defer, notASCII + deferExample},
		{"451 4.7.1 \x7f", Defer, notASCII + deferExample},
		{"451 4.7.1 " + strings.Repeat("x", maxReply), Defer, "it is longer than 400 characters" + deferExample},
		{"451 4.7.1 " + strings.Repeat("{code} ", 40), Defer, "it is longer than 400 characters" + deferExample},
	} {
		got, err := ParseReply(c.in, c.verdict)
		if err == nil {
			t.Errorf("%q is taken as %+v", c.in, got)
		} else if err.Error() != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.in, err, c.want)
		}
	}
}

func TestWaitInWords(t *testing.T) {
	for seconds, want := range map[int64]string{
		-1:        "1 second",
		0:         "1 second",
		1:         "1 second",
		2:         "2 seconds",
		59:        "59 seconds",
		60:        "1 minute",
		61:        "2 minutes",
		119:       "2 minutes",
		120:       "2 minutes",
		3420:      "57 minutes",
		3540:      "59 minutes",
		3541:      "1 hour",
		3600:      "1 hour",
		3601:      "1 hour 1 minute",
		3661:      "1 hour 2 minutes",
		7200:      "2 hours",
		25_000:    "6 hours 57 minutes",
		90_000:    "25 hours",
		3_000_000: "833 hours 20 minutes",
	} {
		if got := WaitInWords(seconds); got != want {
			t.Errorf("%d: got %q, want %q", seconds, got, want)
		}
	}
}

func FuzzParseReply(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string, deny bool) {
		verdict, class := Defer, 4
		if deny {
			verdict, class = Deny, 5
		}
		r, err := ParseReply(s, verdict)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("%q: the error is more than a line: %q", s, err)
			}
			return
		}
		line := r.String()
		if again, err := ParseReply(line, verdict); err != nil || again != r {
			t.Errorf("%q is %+v, but %q is %+v, %v", s, r, line, again, err)
		}
		if r.Code/100 != class || r.Code == 421 || r.Text == "" || len(line) > maxReply {
			t.Errorf("%q is taken as %+v", s, r)
		}
		if r.Enhanced != "" && int(r.Enhanced[0]-'0') != class {
			t.Errorf("%q: %d and %s do not agree", s, r.Code, r.Enhanced)
		}
		if strings.IndexFunc(line, func(c rune) bool { return c < ' ' || c > '~' }) >= 0 {
			t.Errorf("%q: something else than printable ASCII in %q", s, line)
		}
	})
}
