package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Three decisions among other lines, as a syslog daemon writes them.
const mailLog = `Nov 29 19:20:00 mx postfix/smtpd[7]: connect from unknown[203.0.113.7]
Nov 29 19:20:01 mx greyglass[9]: time=2025-11-29T19:20:01Z level=INFO msg=decision verdict=defer reason=not-seen-before client=203.0.113.7 helo=mx.example.net sender=ann@bounce.shop.example recipient=bob@example.org wait=3600 via=milter took=0.5ms
Nov 29 19:21:01 mx greyglass[9]: time=2025-11-29T19:21:01Z level=WARN msg="cannot read the list; keeping the previous one"
Nov 29 20:21:01 mx greyglass[9]: time=2025-11-29T20:21:01Z level=INFO msg=decision verdict=accept reason=now-grey client=203.0.113.7 helo=mx.example.net sender=ann@bounce.shop.example recipient=bob@example.org delayed=3660 via=milter took=0.5ms
Nov 29 20:22:01 mx greyglass[9]: time=2025-11-29T20:22:01Z level=INFO msg=decision verdict=accept reason=local client=2001:db8::1 helo=x sender=<> recipient=carol@example.org via=policy took=0.5ms
`

var mailLogLines = []string{
	"2025-11-29 19:20:01 UTC deferred ann@bounce.shop.example -> bob@example.org from 203.0.113.7 (mx.example.net): not-seen-before; retry passes in 1 hour\n",
	"2025-11-29 20:21:01 UTC accepted ann@bounce.shop.example -> bob@example.org from 203.0.113.7 (mx.example.net): now-grey; waited 1 hour 1 minute\n",
	"2025-11-29 20:22:01 UTC accepted <> -> carol@example.org from 2001:db8::1 (x): local\n",
}

func TestLogSelects(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.write("mail.log", mailLog)
	for _, c := range []struct {
		args string
		want []int // of mailLogLines
	}{
		{"", []int{0, 1, 2}},
		{"--limit 2", []int{1, 2}},
		{"--limit 0", []int{0, 1, 2}},
		{"--domain shop.example", []int{0, 1}},
		{"--domain example.org", []int{0, 1, 2}},
		{"--sender @*.shop.example --reason now-grey", []int{1}},
		{"--sender @shop.example", nil},
		{"--sender <>", []int{2}},
		{"--recipient Bob", []int{0, 1}},
		{"--recipient <BOB@example.org> --limit 1", []int{1}},
		{"--client 203.0.113", []int{0, 1}},
		{"--client [203.0.113.7]", []int{0, 1}},
		{"--client 2001:db8::/32", []int{2}},
		{"--client [2001:db8::1]", []int{2}},
		{"--client 203.0.113.8", nil},
		{"--since 2025-11-29T20:21:01Z", []int{1, 2}},
	} {
		want := ""
		for _, i := range c.want {
			want += mailLogLines[i]
		}
		says := ""
		if want == "" {
			says = "greyglass: none of the 3 decisions in " + s.path("mail.log") + " is selected\n"
		}
		r := s.run(append([]string{"log", "--utc", s.path("mail.log")}, strings.Fields(c.args)...)...)
		if r.status != statusOK || r.stdout != want || r.stderr != says {
			t.Errorf("%s: status %d, got\n%s%swant\n%s", c.args, r.status, r.stdout, r.stderr, want)
		}
	}
}

func gzipped(text string) string {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return packed.String()
}

func TestLogReadsFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	packed := gzipped(mailLog + strings.Repeat("x", 200<<10) + "\n")
	s.write("mail.log.gz", packed)
	if got := s.output("log", "--utc", "--limit", "1", s.path("mail.log.gz")); got != mailLogLines[2] {
		t.Error(got)
	}
	const want = `{"time":"2025-11-29T20:22:01Z","msg":"decision","verdict":"accept","reason":"local","client":"2001:db8::1","helo":"x","sender":"<>","recipient":"carol@example.org","via":"policy","took":"0.5ms","time_unix":1764447721,"wait":null,"delayed":null}` + "\n"
	if got := s.output("log", "--json", "--limit", "1", s.path("mail.log.gz")); got != want {
		t.Error(got)
	}
	s.write("mail.log.1", packed) // compressed, whatever its name
	if got := s.output("log", "--utc", "--limit", "1", s.path("mail.log.1")); got != mailLogLines[2] {
		t.Error(got)
	}
	// Of a damaged file, what can be read is shown.
	s.write("cut.gz", packed[:len(packed)-12])
	r := s.run("log", "--utc", s.path("cut.gz"))
	if r.fails(t, statusFailed, s.path("cut.gz")+": unexpected EOF"); r.stdout != strings.Join(mailLogLines, "") {
		t.Error(r.stdout)
	}
	cut := s.command(t.Context(), "log", "--utc", "-")
	cut.Stdin = strings.NewReader(packed[:len(packed)-12])
	if r := finish(t, cut); r.status != statusFailed || r.stderr != "greyglass: standard input: unexpected EOF\n" {
		t.Errorf("%+v", r)
	}
	for _, name := range []string{"mail.log.gz", "mail.log.1"} {
		s.run("log", "--follow", s.path(name)).fails(t, statusUsage, "--follow", "compressed")
	}
	s.run("log", s.path("missing")).fails(t, statusFailed, "no such file")
}

// Without a file the log is that of the unit, and --follow shows what comes.
func TestLogOfTheJournal(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.write("mail.log", mailLog)
	script := "#!/bin/sh\necho \"$*\" >" + s.path("arguments") + "\ncat " + s.path("mail.log") + "\n"
	if err := os.WriteFile(s.path("journalctl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	s.environ = append(s.environ, "PATH="+s.dir+":"+os.Getenv("PATH"))
	if got := s.output("log", "--utc"); got != strings.Join(mailLogLines, "") {
		t.Error(got)
	}
	const common = "--unit greyglass --output cat --no-pager"
	if got := s.read("arguments"); got != common+"\n" {
		t.Error(got)
	}
	s.run("log", "--follow")
	if got := s.read("arguments"); got != common+" --follow --lines 0\n" {
		t.Error(got)
	}
	s.run("log", "--follow", "--since", "1970-01-02")
	if got := s.read("arguments"); got != common+" --since @86400 --follow --no-tail\n" {
		t.Error(got)
	}
	s.run("log", "--follow", "--since", "60000d") // before 1970
	if got := s.read("arguments"); got != common+" --since @1 --follow --no-tail\n" {
		t.Error(got)
	}
	s.environ = append(s.environ, "PATH="+filepath.Join(s.dir, "empty"))
	s.run("log").fails(t, statusFailed, "journalctl is not installed; name the FILE")
}

// Where nothing is shown, the log says why.
func TestLogWithoutDecisions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	lines := strings.SplitAfter(mailLog, "\n")
	for _, c := range []struct{ text, says string }{
		{"", " is empty\n"},
		{lines[0] + lines[2], " is a decision (2 read); the daemon logs them if log.level is info\n"},
		{lines[1], "the only decision in "},
		{mailLog, "none of the 3 decisions in "},
	} {
		r := here("log", "--sender", "nobody@example.net", write("log", c.text))
		if r.status != statusOK || r.stdout != "" || !strings.HasPrefix(r.stderr, "greyglass: ") || !strings.Contains(r.stderr, c.says) {
			t.Errorf("status %d, says %s%s, want %s", r.status, r.stdout, r.stderr, c.says)
		}
	}
	if err := journalProblem(dir); err == nil || !strings.Contains(err.Error(), "this machine has no journal; name the FILE") {
		t.Error(err)
	}
	machine := filepath.Join(dir, "0123")
	if err := os.Mkdir(machine, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("missing", filepath.Join(machine, "system.journal")); err != nil {
		t.Fatal(err)
	}
	if err := journalProblem(dir); err == nil || !strings.Contains(err.Error(), "the journal cannot be read (open ") {
		t.Error(err)
	}
	write("0123/system@1.journal", "")
	if err := journalProblem(dir); err != nil {
		t.Error(err)
	}
}

// A file is followed, also when it is rotated.
func TestLogFollowsAFile(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.write("mail.log", "")
	shown, err := os.Create(s.path("shown"))
	if err != nil {
		t.Fatal(err)
	}
	defer shown.Close()
	cmd := s.command(t.Context(), "log", "--utc", "--follow", "--since", "1970-01-02", s.path("mail.log"))
	cmd.Stdout = shown
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	shows := func(want string) func() bool { return func() bool { return s.read("shown") == want } }
	all := strings.Join(mailLogLines, "")
	s.write("mail.log", mailLog)
	eventually(t, "three decisions", shows(all))
	if err := os.Rename(s.path("mail.log"), s.path("mail.log.1")); err != nil {
		t.Fatal(err)
	}
	s.write("mail.log", strings.SplitAfter(mailLog, "\n")[1])
	eventually(t, "a decision of the new file", shows(all+mailLogLines[0]))
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
