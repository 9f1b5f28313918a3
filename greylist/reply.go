package greylist

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"greyglass/greylist/problem"
)

// Reply is an SMTP reply: code, enhanced status code and text (RFC
// 5321, section 4.2; RFC 3463).
type Reply struct {
	Code     int    // 4xx or 5xx
	Enhanced string // "4.7.1"; empty if there is none
	Text     string
}

// String is the reply as it is sent.
func (r Reply) String() string {
	if r.Enhanced == "" {
		return fmt.Sprintf("%d %s", r.Code, r.Text)
	}
	return fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text)
}

// maxReply is the longest reply line, in octets, without CR LF (RFC 5321,
// section 4.5.3.1.5), less what MTAs put before the text.
const maxReply = 400

// ParseReply reads a reply that defers, "451 4.7.1 text", or one that denies,
// "550 5.7.1 text". 421 is refused, because the MTA would end the connection.
func ParseReply(s string, verdict Verdict) (Reply, error) {
	class, example := byte('4'), `"451 4.7.1 Try again later"`
	if verdict == Deny {
		class, example = '5', `"550 5.7.1 Not wanted here"`
	}
	fail := func(what string) (Reply, error) {
		return Reply{}, problem.New("write a reply such as "+example, "%s", what)
	}
	first, text, _ := strings.Cut(s, " ")
	code, err := strconv.Atoi(first)
	switch {
	case err != nil || len(first) != 3:
		return fail("it does not begin with a three-digit code")
	case first[0] != class:
		return fail(fmt.Sprintf("%d is not a %cxx code", code, class))
	case code == 421:
		return fail("421 would make the MTA close the connection")
	case len(longest.Replace(s)) > maxReply:
		return fail(fmt.Sprintf("it is longer than %d characters", maxReply))
	}
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return fail("it holds something other than printable ASCII")
		}
	}
	r := Reply{Code: code, Text: strings.TrimSpace(text)}
	if enhanced, rest, _ := strings.Cut(r.Text, " "); looksEnhanced(enhanced) {
		if enhanced[0] != class {
			return fail(fmt.Sprintf("%d and %s do not agree", code, enhanced))
		}
		r.Enhanced, r.Text = enhanced, strings.TrimSpace(rest)
	}
	if r.Text == "" {
		return fail("it has no text")
	}
	return r, nil
}

// looksEnhanced reports whether s has the form of an enhanced status code (RFC
// 3463, section 2).
func looksEnhanced(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || len(parts[0]) != 1 {
		return false
	}
	for _, p := range parts {
		if _, err := strconv.ParseUint(p, 10, 16); err != nil || len(p) > 3 {
			return false
		}
	}
	return true
}

// WaitInWords writes a wait in words, rounded up to minutes from one minute on.
func WaitInWords(seconds int64) string {
	d := time.Duration(max(seconds, 1)) * time.Second
	if d < time.Minute {
		return plural(int64(d/time.Second), "second")
	}
	minutes := int64((d + time.Minute - 1) / time.Minute)
	hours := minutes / 60
	minutes %= 60
	switch {
	case hours == 0:
		return plural(minutes, "minute")
	case minutes == 0:
		return plural(hours, "hour")
	}
	return plural(hours, "hour") + " " + plural(minutes, "minute")
}

func plural(n int64, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return strconv.FormatInt(n, 10) + " " + unit + "s"
}
