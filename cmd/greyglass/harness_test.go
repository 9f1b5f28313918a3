package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"greyglass/e2e/build"
	"greyglass/greylist"
	"greyglass/milter"
	"greyglass/milter/listen"
)

// testTimeout bounds every wait.
const testTimeout = 30 * time.Second

// binary is the program.
var binary string

func TestMain(m *testing.M) { os.Exit(buildAndTest(m)) }

func buildAndTest(m *testing.M) int {
	dir, err := os.MkdirTemp("", "greyglass-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Chmod(dir, 0o755) // for users other than ours, too
	}
	binary = filepath.Join(dir, "greyglass")
	if err := errors.Join(err, build.Program(binary)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// conf holds values of the configuration, as they stand in a TOML file. An empty
// one stands for a key that is not there.
type conf map[string]string

// site is a folder with a configuration, a database and sockets, where the
// program can be run.
type site struct {
	t       *testing.T
	dir     string
	file    string // the configuration
	db      string
	socket  string // listen.milter
	environ []string
	user    *syscall.Credential // who runs the program; nil: who runs the tests
}

func newSite(t *testing.T, more conf) *site {
	t.Helper()
	// Not t.TempDir, whose paths are too long for sockets and closed to others.
	dir, err := os.MkdirTemp("", "gg-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &site{
		t:       t,
		dir:     dir,
		file:    filepath.Join(dir, "greyglass.toml"),
		db:      filepath.Join(dir, "greyglass.db"),
		socket:  "unix:" + filepath.Join(dir, "milter.sock"),
		environ: build.Environ(),
	}
	s.write("blocked.list", "")
	s.write("exceptions.list", "")
	s.configure(more)
	return s
}

// unprivileged makes a site that belongs to a user who may not do everything.
func unprivileged(t *testing.T, more conf) *site {
	t.Helper()
	s := newSite(t, more)
	if os.Geteuid() == 0 {
		const nobody = 65534
		s.user = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := os.Chown(s.dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// configure writes the configuration: what every site has, and more.
func (s *site) configure(more conf) {
	s.t.Helper()
	all := conf{
		"listen.milter":           quoted(s.socket),
		"listen.policy":           "[]",
		"store.url":               fmt.Sprintf("%q", "sqlite:"+s.db),
		"blocked.senders_file":    fmt.Sprintf("%q", s.path("blocked.list")),
		"blocked.exceptions_file": fmt.Sprintf("%q", s.path("exceptions.list")),
		"log.format":              `"json"`,
	}
	maps.Copy(all, more)
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if all[key] != "" {
			fmt.Fprintf(&text, "%s = %s\n", key, all[key])
		}
	}
	s.write("greyglass.toml", text.String())
}

// quoted is a TOML list of strings.
func quoted(values ...string) string { return fmt.Sprintf("[%s]", strings.Join(each(values), ", ")) }

func each(values []string) (quoted []string) {
	for _, v := range values {
		quoted = append(quoted, fmt.Sprintf("%q", v))
	}
	return quoted
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// write writes a file of the site in place.
func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) read(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// command is a run of the program with the site's configuration, not started yet.
func (s *site) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, append(args, "--config", s.file)...)
	cmd.Dir = s.dir
	cmd.Env = s.environ
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.user}
	return cmd
}

// result is what a run of the program left.
type result struct {
	stdout, stderr string
	status         int
}

// run runs a command to its end.
func (s *site) run(args ...string) result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), testTimeout)
	defer cancel()
	return finish(s.t, s.command(ctx, args...))
}

func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// interrupted runs a command, and interrupts it once it is ready to be, has read this input,
// and waits for more.
func (s *site) interrupted(input string, ready func() bool, args ...string) result {
	s.t.Helper()
	cmd := s.command(s.t.Context(), args...)
	stdin, in, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	defer in.Close()
	var stdout, stderr strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	err = cmd.Start()
	_ = stdin.Close()
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := io.WriteString(in, input); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the input is read", func() bool {
		const fionread = 0x541b // as Linux has it (ioctl_tty(2))
		unread, err := unix.IoctlGetInt(int(in.Fd()), fionread)
		return err != nil || unread == 0
	})
	eventually(s.t, "a part is done", ready)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		s.t.Fatal(err)
	}
	_ = cmd.Wait()
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// progress is what a command prints each second that takes long, as all do on a slow machine.
var progress = regexp.MustCompile(`(?m)^(importing|learning|judging|copying): .*\n`)

// output is what a command that must succeed, and have nothing to complain
// about, prints.
func (s *site) output(args ...string) string {
	s.t.Helper()
	r := s.run(args...)
	if r.status != 0 || progress.ReplaceAllString(r.stderr, "") != "" {
		s.t.Fatalf("greyglass %s: status %d, %s", strings.Join(args, " "), r.status, r.stderr)
	}
	return r.stdout
}

// fails checks that a command failed with the status and one line that says so.
func (r result) fails(t *testing.T, status int, says ...string) {
	t.Helper()
	if r.status != status {
		t.Errorf("status %d, want %d", r.status, status)
	}
	// What the daemon logs before it gives up is not the line that is meant.
	var lines []string
	for line := range strings.Lines(r.stderr) {
		if !strings.HasPrefix(line, "{") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 || !strings.HasSuffix(lines[0], "\n") {
		t.Fatalf("want one line on standard error, got %q", r.stderr)
	}
	for _, s := range says {
		if !strings.Contains(lines[0], s) {
			t.Errorf("standard error does not say %q: %s", s, lines[0])
		}
	}
}

// ask is 'greyglass probe', without the cost of a process.
func (s *site) ask(client, sender, recipient string) milter.ProbeAnswer {
	s.t.Helper()
	answer, err := s.tryAsk(client, sender, recipient)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer
}

func (s *site) tryAsk(client, sender, recipient string) (milter.ProbeAnswer, error) {
	socket, err := listen.ParseAddress(s.socket)
	if err != nil {
		return milter.ProbeAnswer{}, err
	}
	return milter.Probe(s.t.Context(), socket, greylist.Attempt{
		Client: greylist.ParseClient(client), Helo: "mx.example.net", Sender: sender, Recipient: recipient,
	})
}

// eventually polls until the condition holds, and returns how long that took.
func eventually(t *testing.T, what string, holds func() bool) time.Duration {
	t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if holds() {
			return time.Since(began)
		}
		if time.Since(began) > testTimeout {
			t.Fatalf("not within %v: %s", testTimeout, what)
		}
	}
}
