package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greyglass/cmd/greyglass/internal/config"
)

// now is when these tests take place.
var now = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)

// subject is a machine of a test's own, with the default configuration: files by
// their paths, and what programs print by their command lines.
func subject(t *testing.T, files, programs map[string]string) Subject {
	t.Helper()
	root := t.TempDir()
	all := map[string]string{
		"/etc/passwd":                "root:x:0:0::/root:/bin/sh\npostfix:x:107:112::/:/bin/false\nDebian-exim:x:108:113::/:/bin/false\nsmmta:x:109:114::/:/bin/false\n",
		"/etc/group":                 "root:x:0:\npostfix:x:112:\nDebian-exim:x:113:\nsmmta:x:114:\ngreyglass:x:115:postfix\n",
		"/run/greyglass/milter.sock": "",
		"/run/greyglass/policy.sock": "",
	}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, 0o666); err != nil { // whatever the umask is
			t.Fatal(err)
		}
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(config.Source{})
	if err != nil {
		t.Fatal(err)
	}
	return Subject{Loaded: loaded, Machine: Machine{
		Root:  root,
		Super: true,
		Run: func(_ context.Context, program string, args ...string) (string, error) {
			line := strings.Join(append([]string{program}, args...), " ")
			if out, ok := programs[line]; ok {
				return out, nil
			}
			for known := range programs {
				if strings.HasPrefix(known, program+" ") {
					return "", fmt.Errorf("%s: exit status 1", line)
				}
			}
			return "", fmt.Errorf("%s: %w", program, exec.ErrNotFound)
		},
		LookUp: func(_ context.Context, host string) ([]string, error) {
			if host == "mx.example.org" {
				return []string{"127.0.0.1"}, nil
			}
			return nil, fmt.Errorf("no such host: %s", host)
		},
		Space: func(string) (free, total uint64, err error) { return 50 << 30, 100 << 30, nil },
		Now:   func() time.Time { return now },

		Addresses: func() []netip.Addr {
			return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
		},
	}}
}

// examine does one check, and returns what it says.
func examine(t *testing.T, s Subject, looks ...func(context.Context, *exam)) (found []Finding) {
	t.Helper()
	v := &exam{Subject: s, config: s.Loaded.Config, check: "it", report: func(f Finding) { found = append(found, f) }}
	for _, look := range looks {
		look(t.Context(), v)
	}
	return found
}

// wantProblems fails the test unless what is not right is what is wanted, in order:
// "STATUS: a part of what it says"; and each with a fix, which what is right
// has not.
func wantProblems(t *testing.T, got []Finding, want ...string) {
	t.Helper()
	var bad []string
	for _, f := range got {
		if (f.Status == OK) != (f.Fix == "") {
			t.Errorf("%v: the fix is %q", f, f.Fix)
		}
		if f.Status != OK {
			bad = append(bad, fmt.Sprintf("%s: %s", f.Status, f.Detail))
		}
	}
	ok := len(bad) == len(want)
	for i := 0; ok && i < len(want); i++ {
		status, part, _ := strings.Cut(want[i], ": ")
		ok = strings.HasPrefix(bad[i], status+": ") && strings.Contains(bad[i], part)
	}
	if !ok {
		t.Errorf("says\n\t%s\nwant\n\t%s", strings.Join(bad, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// wantOK fails the test unless all of it is found to be right.
func wantOK(t *testing.T, got []Finding, parts ...string) {
	t.Helper()
	for _, part := range parts {
		found := false
		for _, f := range got {
			found = found || f.Status == OK && strings.Contains(f.Detail, part)
		}
		if !found {
			t.Errorf("does not say that it is right: %q, but %v", part, got)
		}
	}
}
