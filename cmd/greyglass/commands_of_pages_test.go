package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// elsewhere lists the commands of pages that cannot run in a folder of a test: what they
// need, and the tests that run them, or what they do, on a machine that has it.
var elsewhere = []struct{ command, needs, tests string }{ // command is a regular expression
	{`make (deb|rpm|image|release|run|test|race|fuzz|chaos|bench|bench-peers|senders)( .*)?|go (test|generate) .*`, "the sources; run by those who work on them", "TestReadme TestManual"},
	{`apt-get install .*|apt-get (remove|purge) greyglass`, "root, Debian", "TestReadme TestLife"},
	{`postconf -e .*|postconf mynetworks|postfix reload`, "Postfix", "TestReadme TestPostfixPage TestFixes TestPostgreyPage"},
	{`cd /etc/greyglass|sed -i .*|systemctl disable --now postgrey|(cat /etc/postgrey/.* \| )?greyglass import-config .*>>greyglass.toml|apt-get purge postgrey`, "root, postgrey", "TestPostgreyPage"},
	{`sha256sum .*|dnf .*|docker .*|add(user|group) -S .*|rc-(update|service) .*|pw .*|sysrc .*|service .*|systemctl enable .*|chown 65532.*`, "the files of a release, or another system", "TestDist TestRPM TestImage TestRCScripts"},
	{`exim4 -bh .*`, "Exim", "TestEximPage"},
	{`systemctl (reload|start|stop|edit) greyglass.*`, "systemd", "TestHowTo TestUnits TestLife"},
	{`update-exim4.conf|systemctl restart (exim4|sendmail)|make -C /etc/mail`, "the mail server's own", ""},
	{`adduser (Debian-exim|smmta) greyglass|chown greyglass`, "root", "TestFixes"},
	{`usermod -aG .*`, "root, a group of the package", "TestUnits"},
	{`rm -f /var/lib/greyglass/.*|install -o greyglass .*`, "root, a stopped daemon", "TestHowTo"},
	{`psql .*|pg_dump --format=custom greyglass|greyglass (migrate( --set store.url=postgres:.*)?|copy .* --to postgres:.*)`, "PostgreSQL", "TestRoles TestCopy"},
	{`greyglass import (--dry-run )?(postgrey|milter-greylist) /var/lib/.*`, "the other program's files", "TestPostgreyPage TestImportCommand"},
	{`fuser FILE|kill -9`, "a fault", "TestFaultLocked TestFaultKilled"},
}

// statuses are those of commands that do not end with 0 in a folder of a test.
var statuses = map[string]int{
	"greyglass doctor": 1, // there is no mail server
	"greyglass doctor --postfix-config /etc/postfix-in": 1,
}

// TestCommandsOfPages runs every command of every page, or finds it in the table above. A
// command is a line of a block that is marked "sh", an example of the manual, or a word of
// the text in back quotes that begins with the name of a program. One that only names a
// command of greyglass is looked up among them.
func TestCommandsOfPages(t *testing.T) {
	t.Parallel()
	pages := commandsOfPages(t)
	used := make([]bool, len(elsewhere))
	ran := 0
	for page, commands := range pages {
		var here []string
		for _, command := range commands {
			at := slices.IndexFunc(elsewhere, func(e struct{ command, needs, tests string }) bool {
				return regexp.MustCompile("^(?:" + e.command + ")$").MatchString(command)
			})
			if at >= 0 {
				used[at] = true
			} else {
				here = append(here, command)
			}
		}
		ran += len(here)
		if len(here) > 0 {
			t.Run(filepath.Base(filepath.Dir(page))+"/"+filepath.Base(page), func(t *testing.T) {
				t.Parallel()
				desk := newDesk(t)
				for _, command := range here {
					desk.runs(command)
				}
			})
		}
	}
	if ran < 80 {
		t.Errorf("only %d commands run", ran)
	}
	for i, e := range elsewhere {
		if !used[i] {
			t.Errorf("no page has a command %s", e.command)
		}
		for test := range strings.FieldsSeq(e.tests) {
			if exec.Command("grep", "-rqF", "--include=*_test.go", "func "+test+"(", "../..").Run() != nil {
				t.Errorf("there is no %s, of %s", test, e.command)
			}
		}
	}
}

var (
	fence  = regexp.MustCompile("(?ms)^ *```(\\w*)\n(.*?)^ *```$")
	inText = regexp.MustCompile("`([^`\n]+(?:\n[^`\n]+)?)`")
	// programs begin a command in the text.
	programs = regexp.MustCompile(`^(?:greyglass|bin/greyglass|systemctl|journalctl|postconf|postfix|apt-get|make|go|adduser|usermod|chown|sqlite3|psql|pg_dump|fuser|exim4|kill|cat) `)
)

// commandsOfPages returns the commands of each page, in their order.
func commandsOfPages(t *testing.T) map[string][]string {
	t.Helper()
	pages := make(map[string][]string)
	for _, page := range markdown(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range fence.FindAllStringSubmatch(string(text), -1) {
			lines := commandLines(block[2])
			switch {
			case block[1] == "sh":
				pages[page] = append(pages[page], lines...)
			case block[1] == "" && len(lines) > 0 && programs.MatchString(lines[0]):
				t.Errorf("%s: a block of commands is not marked as sh: %s", page, lines[0])
			}
		}
		for _, span := range inText.FindAllStringSubmatch(fence.ReplaceAllString(string(text), ""), -1) {
			if command := strings.ReplaceAll(span[1], "\n", " "); programs.MatchString(command) && !names(t, page, command) {
				pages[page] = append(pages[page], command)
			}
		}
	}
	root := new(program).root()
	for _, c := range append(root.Commands(), root) {
		for _, line := range commandLines(c.Example) {
			if line, _, _ = strings.Cut(line, "  "); strings.HasPrefix(line, "greyglass ") || c != root { // root's has words beside them
				pages["help"] = append(pages["help"], line)
			}
		}
	}
	return pages
}

// markdown returns the pages, and what pages of the manual are made of.
func markdown(t *testing.T) []string {
	t.Helper()
	pages := []string{"../../README.md"}
	for _, pattern := range []string{"../../contrib/*.md", "../../contrib/*/*.md", "internal/*/*.md", "../../e2e/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		pages = append(pages, found...)
	}
	return pages
}

// continued is the end of a line that goes on.
var continued = regexp.MustCompile(`(?: *\\|(\|))\n\s*`)

// commandLines returns the commands of a block.
func commandLines(block string) (commands []string) {
	for line := range strings.Lines(continued.ReplaceAllString(block, "$1 ")) {
		line, _, _ = strings.Cut(line, "  #")
		if line = strings.TrimSpace(line); line != "" {
			commands = append(commands, line)
		}
	}
	return commands
}

// names reports whether a command of the text only names one of greyglass's and its flags,
// which must be there.
func names(t *testing.T, page, command string) bool {
	t.Helper()
	words := strings.Fields(command)[1:]
	if words[0] == "--help" {
		return true
	}
	if !strings.HasPrefix(command, "greyglass ") {
		return false
	}
	c, rest, err := new(program).root().Find(words)
	if err != nil {
		t.Errorf("%s: %s: %v", page, command, err)
	}
	for _, word := range rest {
		flag, isFlag := strings.CutPrefix(word, "--")
		if !isFlag {
			return false
		}
		if c.Flags().Lookup(flag) == nil {
			t.Errorf("%s: %s: no such flag %s", page, command, word)
		}
	}
	return true
}
