package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// replay runs 'greyglass replay' of lines.
func (s *site) replay(input string, args ...string) result {
	s.t.Helper()
	cmd := s.command(s.t.Context(), append([]string{"replay"}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	return finish(s.t, cmd)
}

// TestReplayExample: the example that is shipped gets the answers that it expects.
func TestReplayExample(t *testing.T) {
	t.Parallel()
	try := filepath.Join("..", "..", "contrib", "try")
	cmd := exec.CommandContext(t.Context(), binary, "replay", "--config", filepath.Join(try, "replay.toml"), filepath.Join(try, "replay.jsonl"))
	if r := finish(t, cmd); r.status != 0 || r.stderr != "" {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	const first = `{"time":1000,"client_address":"2001:db8::7","sender":"<Ann@Example.net>","recipient":"bob@example.org"}` + "\n"
	r := s.replay(first + strings.Replace(first, "1000", "4600", 1) +
		`{"time":4700,"client_address":"192.0.2.7","sender":"<>","recipient":"bob@example.org","sasl_username":"bob"}` + "\n")
	want := `{"time":1000,"verdict":"defer","reason":"not-seen-before","wait":3600,"client":"2001:db8::/64","sender":"ann@example.net"}
{"time":4600,"verdict":"accept","reason":"now-grey","wait":0,"client":"2001:db8::/64","sender":"ann@example.net"}
{"time":4700,"verdict":"accept","reason":"authenticated","wait":0}
`
	if r.stdout != want || r.stderr != "" || r.status != 0 {
		t.Errorf("status %d, %s, got\n%swant\n%s", r.status, r.stderr, r.stdout, want)
	}
	expecting := strings.Replace(first, `"time"`, `"expect":"accept","time"`, 1)
	if r := s.replay("\n" + expecting); r.status != 1 || !strings.HasPrefix(r.stderr, "-:2: defer (not-seen-before) where accept was expected\n") {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}
	s.replay(strings.Replace(first, "1000", "2000", 1)+first).fails(t, 1, "-:2: time 1000 comes after 2000")
	s.replay("{").fails(t, 1, "-:1: not an attempt in JSON")
	if r := s.replay(first+first, "--summary"); r.stdout != "attempts\t\t2\ndefer\tnot-seen-before\t1\ndefer\tway-too-soon\t1\n" {
		t.Errorf("the summary is %q", r.stdout)
	}
}

// TestReplayAnswersAtOnce: a program that waits for each answer is not kept waiting.
func TestReplayAnswersAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	cmd := s.command(t.Context(), "replay")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answers := json.NewDecoder(out)
	for i := range 20 {
		fmt.Fprintf(in, `{"time":%d,"instance":"one","client_address":"192.0.2.7","sender":"","recipient":"bob%d@example.org"}`+"\n", 1000+i, i)
		var answer replayAnswer
		if err := answers.Decode(&answer); err != nil || answer.Time != int64(1000+i) || answer.Verdict != "defer" {
			t.Fatalf("%+v, %v", answer, err)
		}
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestReplayStore begins with what a database remembers, and does not write it.
func TestReplayStore(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.create()
	s.output("pass", "192.0.2.7", "ann@example.net", "bob@example.org")
	before := s.records()
	line := fmt.Sprintf(`{"time":%d,"client_address":"192.0.2.7","sender":"ann@example.net","recipient":"bob@example.org","expect":"already-grey"}`, wallClock().Unix()+7200)
	if r := s.replay(line, "--store", "sqlite:"+s.db); r.status != 0 || r.stderr != "" {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}
	if after := s.records(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the database was written: %v, before %v", after, before)
	}
}

// TestReplaySenderIdentity: a list that uses a new sender for each message waits once, also
// by a rule's identity, and the sender is shown as it is remembered.
func TestReplaySenderIdentity(t *testing.T) {
	t.Parallel()
	const input = `{"time":1000,"client_address":"192.0.2.7","sender":"list-return-1-bob=example.org@lists.example","recipient":"bob@example.org"}
{"time":4600,"client_address":"192.0.2.7","sender":"list-return-1-bob=example.org@lists.example","recipient":"bob@example.org"}
{"time":5000,"client_address":"192.0.2.7","sender":"list-return-2-bob=example.org@lists.example","recipient":"bob@example.org"}
`
	const want = `{"time":1000,"verdict":"defer","reason":"not-seen-before","wait":3600,"client":"192.0.2.7","sender":"list-return@lists.example"}
{"time":4600,"verdict":"accept","reason":"now-grey","wait":0,"client":"192.0.2.7","sender":"list-return@lists.example"}
{"time":5000,"verdict":"accept","reason":"already-grey","wait":0,"client":"192.0.2.7","sender":"list-return@lists.example"}
`
	s := newSite(t, nil)
	if r := s.replay(input, "--set", "greylist.sender_identity=normalized"); r.stdout != want || r.status != 0 {
		t.Errorf("status %d, %s, got\n%swant\n%s", r.status, r.stderr, r.stdout, want)
	}
	s.write("greyglass.toml", s.read("greyglass.toml")+"\n[[rule]]\nname = \"lists\"\nwhen = 'sender_domain == \"lists.example\"'\nthen = \"greylist\"\nsender_identity = \"normalized\"\n")
	if r := s.replay(input); r.stdout != want || r.status != 0 {
		t.Errorf("by a rule: status %d, %s, got\n%swant\n%s", r.status, r.stderr, r.stdout, want)
	}
}

// TestReplayClientIdentity: a pool waits once, also where DNS failed in between, and also by
// a rule's identity, and the client is shown as it is remembered.
func TestReplayClientIdentity(t *testing.T) {
	t.Parallel()
	const input = `{"time":1000,"client_address":"192.0.2.7","client_name":"a7.smtp.pool.example","sender":"list-return-1-bob=example.org@lists.example","recipient":"bob@example.org","spf":"temperror"}
{"time":2000,"client_address":"192.0.2.7","client_name":"a7.smtp.pool.example","sender":"list-return-1-bob=example.org@lists.example","recipient":"bob@example.org","spf":"pass","spf_provider":"Pool.Example"}
{"time":4600,"client_address":"2001:db8::7","client_name":"unknown","sender":"list-return-1-bob=example.org@lists.example","recipient":"bob@example.org","spf":"pass","spf_provider":"pool.example"}
{"time":4700,"client_address":"198.51.100.7","sender":"list-return-2-bob=example.org@lists.example","recipient":"bob@example.org","spf":"pass","spf_provider":"pool.example"}
{"time":4800,"client_address":"198.51.100.9","sender":"list-return-2-bob=example.org@lists.example","recipient":"bob@example.org","spf":"fail","spf_provider":"pool.example"}
`
	const want = `{"time":1000,"verdict":"defer","reason":"not-seen-before","wait":3600,"client":"name:pool.example","sender":"list-return@lists.example"}
{"time":2000,"verdict":"defer","reason":"too-soon","wait":2600,"client":"spf:pool.example","sender":"list-return@lists.example"}
{"time":4600,"verdict":"accept","reason":"now-grey","wait":0,"client":"spf:pool.example","sender":"list-return@lists.example"}
{"time":4700,"verdict":"accept","reason":"already-grey","wait":0,"client":"spf:pool.example","sender":"list-return@lists.example"}
{"time":4800,"verdict":"defer","reason":"not-seen-before","wait":3600,"client":"198.51.100.9","sender":"list-return@lists.example"}
`
	s := newSite(t, nil)
	if r := s.replay(input, "--set", "greylist.client_identity=provider", "--set", "greylist.sender_identity=normalized"); r.stdout != want || r.status != 0 {
		t.Errorf("status %d, %s, got\n%swant\n%s", r.status, r.stderr, r.stdout, want)
	}
	s.write("greyglass.toml", s.read("greyglass.toml")+"\n[[rule]]\nname = \"lists\"\nwhen = 'sender_domain == \"lists.example\"'\nthen = \"greylist\"\nclient_identity = \"provider\"\nsender_identity = \"normalized\"\n")
	if r := s.replay(input); r.stdout != want || r.status != 0 {
		t.Errorf("by a rule: status %d, %s, got\n%swant\n%s", r.status, r.stderr, r.stdout, want)
	}
}

// TestProviderTriplets: pass, list, explain and forget take clients by their provider and
// name, and by address.
func TestProviderTriplets(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.create()
	const provider = "--set=greylist.client_identity=provider"
	const envelope = " ann@example.net bob@example.org"
	said := func(want string, args ...string) {
		t.Helper()
		if got := s.output(append(args, provider)...); !strings.Contains(got, want) {
			t.Errorf("%v: got\n%swant %s", args, got, want)
		}
	}
	said("passed: spf:pool.example"+envelope+"\n", "pass", "SPF:pool.example.", "ann@example.net", "bob@example.org")
	said("passed: name:pool.example"+envelope+"\n", "pass", "name:pool.example", "ann@example.net", "bob@example.org")
	if got := s.list("--client", "spf:pool.example"); len(got) != 1 {
		t.Errorf("listed %v", got)
	}
	said("spf:pool.example"+envelope+" passed", "explain", "spf:pool.example", "ann@example.net", "bob@example.org")
	said("the client is known as spf:pool.example: SPF is pass by as given", "explain", "203.0.113.7", "ann@example.net", "bob@example.org", "--spf=pass", "--spf-provider=pool.example")
	said("the client is known as name:pool.example: SPF is fail by as given; the client's name is mx.pool.example\n",
		"explain", "203.0.113.7", "ann@example.net", "bob@example.org", "--spf=fail", "--client-name=mx.pool.example")
	said("the client is known as 203.0.113.7: SPF is pass by as given, which tells no provider; 203-0-113-7.pool.example looks dynamic\n",
		"explain", "203.0.113.7", "ann@example.net", "bob@example.org", "--spf=pass", "--client-name=203-0-113-7.pool.example")
	said("203.0.113.7"+envelope+" has not been seen before", "explain", "203.0.113.7", "ann@example.net", "bob@example.org", "--spf=none")

	// An address passes by itself, and takes the provider along with its next mail.
	said("passed: 203.0.113.7 ann@example.net carol@example.org\n", "pass", "203.0.113.7", "ann@example.net", "carol@example.org")
	said("spf:other.example ann@example.net carol@example.org passed", "explain", "203.0.113.7", "ann@example.net", "carol@example.org", "--spf=pass", "--spf-provider=other.example")

	s.run("forget", "203.0.113.7", "ann@example.net", "bob@example.org", provider).fails(t, statusFailed,
		"nothing is known of 203.0.113.7"+envelope+"; to forget spf:pool.example"+envelope+" or name:pool.example"+envelope+", write that client")
	s.output("pass", "203.0.113.7", "ann@example.net", "bob@example.org")
	said("forgotten: 203.0.113.7"+envelope+"\nstill stored: spf:pool.example"+envelope+"; to forget it, name that client\n", "forget", "203.0.113.7", "ann@example.net", "bob@example.org")
	said("forgotten: spf:pool.example"+envelope+"\n", "forget", "spf:pool.example", "ann@example.net", "bob@example.org")
	s.run("list", "--client", "spf:mx.pool.example").fails(t, statusUsage, "write spf:pool.example")
	s.run("probe", "spf:pool.example", "ann@example.net", "bob@example.org").fails(t, statusUsage, "is not an IP address")
}

// TestNormalizedTriplets: pass, list, explain and forget take a sender in either form.
func TestNormalizedTriplets(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.create()
	const normalized = "--set=greylist.sender_identity=normalized"
	if got := s.output("pass", "192.0.2.7", "ann+tag@example.net", "bob@example.org", normalized); !strings.HasPrefix(got, "passed: 192.0.2.7 ann@example.net bob@example.org\n") {
		t.Error(got)
	}
	for _, sender := range []string{"ann@example.net", "ann+other@example.net"} {
		if got := s.list("--sender", sender, normalized); len(got) != 1 {
			t.Errorf("%s: listed %v", sender, got)
		}
		if got := s.output("explain", "192.0.2.7", sender, "bob@example.org", normalized); !strings.Contains(got, "192.0.2.7 ann@example.net bob@example.org passed") {
			t.Errorf("%s: explained\n%s", sender, got)
		}
	}
	if got := s.list("--sender", "ann+other@example.net"); len(got) != 0 {
		t.Errorf("exact: listed %v", got)
	}
	s.output("pass", "192.0.2.7", "ann+tag@example.net", "bob@example.org")
	want := "forgotten: 192.0.2.7 ann+tag@example.net bob@example.org\nforgotten: 192.0.2.7 ann@example.net bob@example.org\n"
	if got := s.output("forget", "192.0.2.7", "ann+tag@example.net", "bob@example.org", normalized); !strings.HasPrefix(got, want) {
		t.Error(got)
	}
}
