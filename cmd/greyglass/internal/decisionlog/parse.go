// Package decisionlog reads the decisions in the daemon's log, in both of its formats.
package decisionlog

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Decision is a line with msg=decision, whose keys greyglass-log(5) describes.
type Decision struct {
	Time      time.Time `json:"time"`
	Message   string    `json:"msg"`
	Verdict   string    `json:"verdict"`
	Reason    string    `json:"reason"`
	Client    string    `json:"client"`
	Helo      string    `json:"helo"`
	Sender    string    `json:"sender"`
	Recipient string    `json:"recipient"`
	Wait      int64     `json:"wait,omitempty"`    // seconds
	Delayed   int64     `json:"delayed,omitempty"` // seconds
	Rule      string    `json:"rule,omitempty"`
	Identity  string    `json:"identity,omitempty"`
	SPF       string    `json:"spf,omitempty"`
	QueueID   string    `json:"queue_id,omitempty"`
	Code      string    `json:"code,omitempty"`
	Via       string    `json:"via,omitempty"`
	Took      string    `json:"took,omitempty"`
	Mode      string    `json:"mode,omitempty"`
	Error     string    `json:"error,omitempty"`
}

// prefix is what syslog daemons put before a line, in the form of RFC 3164 or with a time
// of RFC 3339. It must name this program: the lines of others hold what clients sent, which
// may look like a decision.
var prefix = regexp.MustCompile(`^(?:<\d{1,3}>)?(?:(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+) \S+ greyglass(?:\[\d+\])?: )?`)

// Parse reads a line of the log. ok is false if the line is no decision.
func Parse(line string) (d Decision, ok bool) {
	object := []byte(line[len(prefix.FindString(line)):])
	if len(object) > 0 && object[0] != '{' {
		if object, ok = toJSON(strings.TrimRight(string(object), "\r\n")); !ok {
			return Decision{}, false
		}
	}
	err := json.Unmarshal(object, &d)
	return d, err == nil && d.Message == "decision" && d.Verdict != "" && !d.Time.IsZero()
}

// toJSON makes an object of a line of pairs.
func toJSON(line string) ([]byte, bool) {
	object := make(map[string]any)
	for line != "" {
		key, value, rest, ok := cutPair(line)
		if !ok {
			return nil, false
		}
		object[key] = value
		if key == "wait" || key == "delayed" {
			object[key] = json.Number(value)
		}
		line = rest
	}
	text, err := json.Marshal(object)
	return text, err == nil
}

// cutPair reads key=value, or key="a Go string", from the beginning of a line.
func cutPair(line string) (key, value, rest string, ok bool) {
	key, rest, ok = strings.Cut(line, "=")
	if !ok {
		return "", "", "", false
	}
	if !strings.HasPrefix(rest, `"`) {
		value, rest, _ = strings.Cut(rest, " ")
		return key, value, rest, true
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return "", "", "", false
	}
	value, err = strconv.Unquote(quoted)
	rest = rest[len(quoted):]
	if rest != "" && rest[0] != ' ' {
		return "", "", "", false
	}
	return key, value, strings.TrimPrefix(rest, " "), err == nil
}
