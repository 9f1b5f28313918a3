package chaos

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// line is a line of the daemon's log.
type line struct {
	Msg       string
	Level     string
	Verdict   string
	Reason    string
	Recipient string
	Via       string
	Wait      int64
	QueueID   string `json:"queue_id"`
	Error     string
}

// follower reads the log of a daemon, which must never wait for that.
type follower struct {
	mu       sync.Mutex
	expected map[string]chan line // by queue ID
	counts   map[string]int       // by message
	failed   int                  // decisions of on_error
	last     []string             // decisions
	others   []string             // the other lines, but for what hostile peers cause
}

// How many lines are kept for who must look into a failure.
const (
	decisionsKept = 8
	othersKept    = 80
)

func newFollower() *follower {
	return &follower{expected: make(map[string]chan line), counts: make(map[string]int)}
}

func (f *follower) follow(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l line
		if json.Unmarshal(lines.Bytes(), &l) != nil {
			l.Msg, _, _ = strings.Cut(lines.Text(), " ") // of the runtime: "panic:", "goroutine"
		}
		f.take(l, lines.Text())
	}
}

func (f *follower) take(l line, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[l.Msg]++
	if l.Reason == "error" {
		f.failed++
	}
	if l.Msg == "decision" {
		f.last = keep(f.last, text, decisionsKept)
	} else if !strings.HasPrefix(l.Msg, "connection closed: ") {
		f.others = keep(f.others, text, othersKept)
	}
	if lines := f.expected[l.QueueID]; lines != nil && l.Msg == "decision" {
		select {
		case lines <- l:
		default: // more than there should be, which is seen by the next question's answer
		}
	}
}

func keep(tail []string, text string, n int) []string {
	if len(tail) == n {
		tail = append(tail[:0], tail[1:]...)
	}
	return append(tail, text)
}

// expect sends the decisions with a queue ID to a channel.
func (f *follower) expect(id string, lines chan line) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expected[id] = lines
}

func (f *follower) forget(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.expected, id)
}

// count returns how many lines have a message.
func (f *follower) count(msg string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[msg]
}

// wait waits until more than n lines have a message.
func (f *follower) wait(msg string, n int, limit time.Duration, ended <-chan struct{}) bool {
	deadline := time.Now().Add(limit)
	for f.count(msg) <= n {
		select {
		case <-ended:
			return f.count(msg) > n
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// tail is the end of the log, decisions apart.
func (f *follower) tail() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.others, "\n") + "\n...\n" + strings.Join(f.last, "\n")
}

// complaints are what is wrong with the log of a daemon that has ended.
func (f *follower) complaints() (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for msg := range f.counts {
		if strings.Contains(msg, "panic") {
			all = append(all, msg)
		}
	}
	begun, over := f.counts["database failing, answering by on_error"], f.counts["database works again"]
	const one = 20 // answers, or fewer, of one outage
	switch {
	case f.failed > 0 && begun == 0:
		all = append(all, fmt.Sprintf("no line says that the database fails, for %d answers of on_error", f.failed))
	case begun > 1+f.failed/one:
		all = append(all, fmt.Sprintf("%d lines say that the database fails, for %d answers of on_error", begun, f.failed))
	case begun-over < 0, begun-over > 1:
		all = append(all, fmt.Sprintf("%d lines say that the database fails, %d that it works again", begun, over))
	}
	return all
}
