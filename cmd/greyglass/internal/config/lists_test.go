package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"greyglass/greylist/address"
)

func readSenders(file string) (List, error) { return Blocked{SendersFile: file}.senders().Read() }

func TestReadList(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, content := range map[string]string{"good": "# x\nspam@example.net\n", "bad": "a@b\nspammer\n@\n"} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo("pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"good", filepath.Join(".", "good")} {
		list, err := readSenders(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if _, ok := list.(*address.Patterns).Match("spam@example.net"); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", os.DevNull} {
		if list, err := readSenders(name); err != nil || list.Len() != 0 {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := readSenders("absent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	for name, want := range map[string][]string{
		"bad": {
			`bad:2: "spammer" is not an address; write user@example.org, or @example.org for a whole domain`,
			`bad:3: "@" is not a pattern: "" is not a domain; write it as example.org`,
		},
		".":      {".: a folder where a list file belongs; make it a plain file that this user may read"},
		"pipe":   {"pipe: not a plain file; make it a plain file that this user may read"},
		"good/x": {"good/x: cannot be read: not a directory; make it a plain file that this user may read"},
	} {
		_, err := readSenders(name)
		wantProblems(t, err, want...)
	}
}

func TestListNotPermitted(t *testing.T) {
	file := write(t, "spam@example.net\n")
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // who may read everything, unless a thread looks at files as somebody else (setfsuid(2))
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		defer syscall.Setfsuid(0)
	}
	_, err := readSenders(file)
	wantProblems(t, err, file+": cannot be read: permission denied; make it a plain file that this user may read")
}

// TestUnconvertedDomains: an internationalized domain that does not convert is warned
// of; one that does is not.
func TestUnconvertedDomains(t *testing.T) {
	list := write(t, "@bücher.example\n@-ü-.example\n")
	l := mustLoad(t, Source{File: write(t, `
[greylist]
probe_senders = ["@bücher.example", "@p_.ü.example"]
[blocked]
senders_file = "`+list+`"
exceptions_file = ""
[rules]
allowed_domains = ["bücher.example", "a_b.ü.example"]
whitelisted_triples = [["192.0.2.1", "ann@bücher.example", "bob@bücher.example"], ["192.0.2.1", "ann@s_.ü.example", "@*.r_.ü.example"]]
whitelisted_nonstandard_triples = [["bücher.example", "192.0.2.1", "*"], ["h_.ü.example", "192.0.2.1", "bob@n_.ü.example"]]
[[rule]]
name = "one"
when = 'sender_domain == "c_.ü.example" || sender in ["ann@d_.ü.example", "ann@bücher.example"] || recipient_local == "jürgen" || recipient in list("`+list+`")'
then = "accept"
`)})
	var want []string
	for _, w := range []struct{ where, domain string }{
		{`blocked.senders_file = "` + list + `"`, "-ü-.example"},
		{`list("` + list + `")`, "-ü-.example"},
		{"greylist.probe_senders", "p_.ü.example"},
		{"rules.allowed_domains", "a_b.ü.example"},
		{"rules.whitelisted_triples", "r_.ü.example"},
		{"rules.whitelisted_triples", "s_.ü.example"},
		{"rules.whitelisted_nonstandard_triples", "h_.ü.example"},
		{"rules.whitelisted_nonstandard_triples", "n_.ü.example"},
		{`the condition of the rule "one"`, "c_.ü.example"},
		{`the condition of the rule "one"`, "d_.ü.example"},
	} {
		want = append(want, w.where+`: "`+w.domain+`" does not convert to an internationalized domain name; compared as it is`)
	}
	if !slices.EqualFunc(l.Warnings, want, func(w Warning, detail string) bool { return w.Detail == detail && w.Fix != "" }) {
		t.Errorf("warnings %q, want %q", l.Warnings, want)
	}
}
