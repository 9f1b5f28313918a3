package main

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/e2e/lab"
)

// line returns the line of a text that begins so.
func line(t *testing.T, text, beginning string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, beginning) {
			return strings.TrimSuffix(line, "\n")
		}
	}
	t.Errorf("no line begins with %q in:\n%s", beginning, text)
	return ""
}

func TestConfigOfEmptyFile(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.write("greyglass.toml", "")
	r := s.run("config")
	if r.status != 0 {
		t.Fatalf("status %d, %s", r.status, r.stderr)
	}
	for line := range strings.Lines(r.stdout) {
		if strings.Contains(line, " = ") && !strings.HasSuffix(line, "  # default\n") {
			t.Errorf("not a default: %s", line)
		}
	}
	if got := line(t, r.stdout, "max_grey"); got != `max_grey = "3000000s"  # default` {
		t.Error(got)
	}
	// What is printed is itself a configuration, and the same one.
	s.write("greyglass.toml", r.stdout)
	again := s.run("config").stdout
	if withoutOrigins(again) != withoutOrigins(r.stdout) {
		t.Errorf("printed:\n%s\nand read back:\n%s", r.stdout, again)
	}
}

func withoutOrigins(text string) string {
	var values []string
	for line := range strings.Lines(text) {
		value, _, _ := strings.Cut(line, "  # ")
		values = append(values, strings.TrimSpace(value))
	}
	return strings.Join(values, "\n")
}

func TestConfigOfNoFile(t *testing.T) {
	_, err := os.Stat(config.DefaultFile)
	lab.Need(t, errors.Is(err, fs.ErrNotExist), "this machine has a "+config.DefaultFile)
	r := here("config")
	if r.status != 0 || !strings.Contains(r.stdout, "max_grey = \"3000000s\"  # default\n") {
		t.Errorf("status %d, %s%s", r.status, r.stdout, r.stderr)
	}
}

func TestConfigThatIsMissed(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.file = s.path("missing.toml")
	for _, command := range []string{"config", "serve", "list"} {
		s.run(command).fails(t, statusConfig, s.file+": no such file")
	}
	s.file = s.dir
	s.run("config").fails(t, statusConfig, s.dir+": cannot be read: is a directory")
	if os.Geteuid() != 0 {
		return
	}
	s = unprivileged(t, nil) // the file is root's
	if err := os.Chmod(s.file, 0o600); err != nil {
		t.Fatal(err)
	}
	s.run("config").fails(t, statusConfig, s.file+": cannot be read: permission denied")
}

func TestConfigListsEveryMistake(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.write("greyglass.toml", `[greylist]
too_soon = "soon"
typo = 1
[rules]
allowed_senders = [
	"192.0.2.1",
	"192.0.2",
]
[store]
error_reply = "250 2.0.0 Fine"
[blocked]
senders_file = ""
exceptions_file = "exceptions.list"
`)
	s.write("exceptions.list", "# bob\n\n<bob\n")
	s.environ = append(s.environ, "GREYGLASS_LOG__LEVEL=loud")
	r := s.run("config", "--set", "blocked.action=drop")
	if r.status != statusConfig || r.stdout != "" {
		t.Errorf("status %d, %s", r.status, r.stdout)
	}
	want := []string{
		s.file + `:2: greylist.too_soon = "soon": `,
		s.file + `:3: greylist.typo = 1: `,
		s.file + `:7: rules.allowed_senders[1] = "192.0.2": `,
		s.file + `:10: store.error_reply = "250 2.0.0 Fine": `,
		`GREYGLASS_LOG__LEVEL: log.level = "loud": `,
		`--set: blocked.action = "drop": `,
		`exceptions.list:3: `,
	}
	lines := slices.Collect(strings.Lines(r.stderr))
	if len(lines) != len(want) {
		t.Errorf("%d mistakes, want %d", len(lines), len(want))
	}
	for _, beginning := range want {
		if !strings.Contains(line(t, r.stderr, beginning), "; ") {
			t.Errorf("the line %q has no fix", beginning)
		}
	}
	// A command that asks the rules says the same; others need no list.
	if got := s.run("explain", "203.0.113.7", "ann@example.net", "bob@example.org", "--set", "blocked.action=drop"); got != r {
		t.Errorf("explain: %+v", got)
	}
	withoutList := strings.Join(slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, "exceptions.list") }), "")
	if got := s.run("list", "--set", "blocked.action=drop"); got.status != statusConfig || got.stderr != withoutList {
		t.Errorf("list: %+v", got)
	}
}

func TestConfigWarns(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"blocked.senders_file": `"/nowhere/blocked.list"`})
	s.environ = append(s.environ, "GREYGLASS_DEBUG=1")
	r := s.run("config")
	if r.status != 0 {
		t.Errorf("status %d", r.status)
	}
	line(t, r.stderr, "greyglass: warning: GREYGLASS_DEBUG: ignored")
	line(t, r.stderr, `greyglass: warning: blocked.senders_file = "/nowhere/blocked.list": no such file, so the list is empty`)
	if n := strings.Count(r.stderr, "\n"); n != 2 {
		t.Errorf("%d lines of warnings: %s", n, r.stderr)
	}
}

func TestConfigSaysWhereValuesComeFrom(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.write("greyglass.toml", "[greylist]\ntoo_soon = 1\nmin_defer_time = 2\nmax_defer_time = 3\n")
	s.environ = append(s.environ, "GREYGLASS_GREYLIST__MIN_DEFER_TIME=20", "GREYGLASS_GREYLIST__MAX_DEFER_TIME=30",
		`GREYGLASS_RULES__ALLOWED_SENDERS=["192.0.2.1"]`)
	r := s.run("config", "--set", "greylist.max_defer_time=5m", "--set", "greylist.max_defer_time=10m")
	for beginning, want := range map[string]string{
		"too_soon":        `too_soon = "1s"  # ` + s.file + ":2",
		"min_defer_time":  `min_defer_time = "20s"  # GREYGLASS_GREYLIST__MIN_DEFER_TIME`,
		"max_defer_time":  `max_defer_time = "600s"  # --set`,
		"max_grey":        `max_grey = "3000000s"  # default`,
		"allowed_senders": `allowed_senders = ["192.0.2.1"]  # GREYGLASS_RULES__ALLOWED_SENDERS`,
	} {
		if got := line(t, r.stdout, beginning+" "); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
