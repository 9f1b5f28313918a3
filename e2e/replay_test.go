package e2e

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"greyglass/e2e/lab"
)

// The same mail gets the same verdicts from the daemon behind a real Postfix and from
// replay, which is told what Postfix told the daemon, and asks the same DNS server.
func TestReplayAgrees(t *testing.T) {
	lab.Require(t)
	for name, c := range map[string]conf{
		"rules": {more: factsRules},
		"identities": {
			more:     "[dns]\nservers = [\"%s:53\"]\ntimeout = \"1s\"\n",
			greylist: "client_identity = \"provider\"\nsender_identity = \"normalized\"\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			replayAgrees(t, c)
		})
	}
}

func replayAgrees(t *testing.T, c conf) {
	// No attempt is made at about an age at which the verdict changes.
	const early, late = 0, 25 * time.Second
	c.greylist += "too_soon = 20\nmin_defer_time = 20\nmax_defer_time = 600\n"
	s, _ := startSiteWithDNS(t, attachments[0], factsZone, c)
	names := map[string]string{"203.0.113.32": "mx.partner.test"}
	var input strings.Builder
	var want []string
	round := func(pause time.Duration) {
		time.Sleep(pause)
		for i := range 50 {
			client := []string{
				fmt.Sprintf("203.0.113.%d", 1+i%14), "203.0.113.32", "203.0.113.33", "198.51.100.9", fmt.Sprintf("198.51.100.%d", 20+i),
			}[i%5]
			sender := []string{"ann@sender.test", "eve@other.test", "", fmt.Sprintf("list-return-%d-bob=example.test@other.test", i)}[i%4]
			recipient := []string{bob, carol, dave}[i%3]
			s.try(client, sender, recipient)
			s.wait("a decision", func() bool { return len(s.decisions("")) > len(want) })
			line := s.decisions("")[len(want)]
			at, err := time.Parse(time.RFC3339Nano, line.str("time"))
			if err != nil {
				t.Fatal(err)
			}
			encoded, _ := json.Marshal(map[string]any{
				"time": at.Unix(), "client_address": line.str("client"), "client_name": names[line.str("client")],
				"helo_name": line.str("helo"), "sender": line.str("sender"), "recipient": line.str("recipient"),
				"instance": fmt.Sprint(len(want)),
			})
			fmt.Fprintf(&input, "%s\n", encoded)
			want = append(want, fmt.Sprintf("%s %s %s", line.str("verdict"), line.str("reason"), cmp.Or(line.str("identity"), line.str("client"))))
		}
	}
	round(0)
	round(early)
	round(late)
	round(early)

	s.write("attempts.jsonl", input.String())
	stdout, stderr, status := s.daemon.run("replay", "--dns", s.dir+"/attempts.jsonl")
	if status != 0 {
		t.Fatal(stderr)
	}
	n, kinds := 0, map[string]int{}
	for lines := bufio.NewScanner(strings.NewReader(stdout)); lines.Scan(); n++ {
		var got struct{ Verdict, Reason, Client string }
		if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		said := got.Verdict + " " + got.Reason
		if n < len(want) && !strings.HasPrefix(want[n], said+" "+got.Client) { // without a client where a rule answered
			t.Errorf("attempt %d: %s by the daemon, %s by replay", n, want[n], lines.Text())
		}
		kinds[said]++
	}
	if n != 200 || len(want) != 200 || len(kinds) < 4 {
		t.Errorf("%d attempts, %d answers: %v", len(want), n, kinds)
	}
	t.Log(kinds)
}
