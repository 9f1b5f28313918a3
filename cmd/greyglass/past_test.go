package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"greyglass/greylist"
)

// past holds, for each version, a configuration that gives every key of its time
// a value of its own, lists, a database, what "list --json" said of it, and what
// was logged of pastAttempts.
const past = "testdata/past"

var pastAttempts = []struct{ client, sender, recipient string }{
	{"local", "x@example.net", "cat@example.org"},
	{"203.0.113.10", "pest@example.com", "cat@example.org"},
	{"203.0.113.10", "pest@example.com", "postmaster@example.org"},
	{"192.0.2.7", "x@example.net", "cat@example.org"},
	{"203.0.113.10", "x@example.net", "cat@elsewhere.example"},
	{"203.0.113.9", "ann@example.net", "cat@example.org"},
	{"203.0.113.10", "ann@example.net", "dan@example.org"},
	{"203.0.113.10", "<>", "cat@example.org"},
	{"203.0.113.10", "x@example.net", "don@example.org"},
	{"203.0.113.10", "x@slow.example.net", "cat@example.org"},
}

// What an older version has left behind is understood by this one: each key of
// the configuration, the lists, and all that is remembered.
func TestPastVersions(t *testing.T) {
	t.Parallel()
	versions, err := filepath.Glob(filepath.Join(past, "*"))
	if err != nil || len(versions) == 0 {
		t.Fatalf("no past versions: %v", err)
	}
	for _, folder := range versions {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			files, err := os.ReadDir(folder)
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				text, err := os.ReadFile(filepath.Join(folder, file.Name()))
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasSuffix(file.Name(), ".toml") {
					text = []byte(strings.ReplaceAll(string(text), "DIR", s.dir))
				}
				s.write(file.Name(), string(text))
			}

			effective := s.run("config")
			if effective.status != 0 || effective.stderr != "" {
				t.Fatalf("greyglass config: status %d, %s", effective.status, effective.stderr)
			}
			for _, m := range regexp.MustCompile(`(?m)^(\w+) = `).FindAllStringSubmatch(s.read("greyglass.toml"), -1) {
				if !regexp.MustCompile(`(?m)^` + m[1] + ` = .*  # .*greyglass\.toml`).MatchString(effective.stdout) {
					t.Errorf("the value of %s is not taken from the file any more", m[1])
				}
			}

			p := s.serve()
			var was, is []map[string]any
			if err := json.Unmarshal([]byte(s.read("list.json")), &was); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(s.output("list", "--json")), &is); err != nil {
				t.Fatal(err)
			}
			if len(is) != len(was) || len(was) == 0 {
				t.Fatalf("%d triplets are remembered, of %d", len(is), len(was))
			}
			for i := range was {
				for key, value := range was[i] {
					if is[i][key] != value {
						t.Errorf("%s of triplet %d is %v, was %v", key, i, is[i][key], value)
					}
				}
			}
			for i := range was {
				passesByEachIdentity(t, s, was[i])
			}
			readPastLog(t, s, p)
			if bad := p.find(`"level":"ERROR"`); len(bad) > 0 {
				t.Errorf("the daemon says %v", bad)
			}
		})
	}
}

// passesByEachIdentity: what an older version remembers passes, also where clients and
// senders are known by other identities now.
func passesByEachIdentity(t *testing.T, s *site, row map[string]any) {
	t.Helper()
	for _, client := range []string{"address", "provider"} {
		for _, sender := range []string{"exact", "normalized"} {
			said := fields(s.output("explain", row["client"].(string), row["sender"].(string), row["recipient"].(string), "--spf=pass", "--spf-provider=pool.example",
				"--set=blocked.senders_file=",
				"--set=greylist.client_identity="+client, "--set=greylist.sender_identity="+sender))
			want := map[any]string{"waiting": "now-grey", "passed": "already-grey"}[row["state"]]
			if said["reason"] != want {
				t.Errorf("client_identity %s, sender_identity %s: %v is answered %s, want %s", client, sender, row, said["reason"], want)
			}
		}
	}
}

// readPastLog checks that a reader of a version's decision log reads in the present
// one what it read in that version's: each key with its value.
func readPastLog(t *testing.T, s *site, p *process) {
	t.Helper()
	was := strings.Split(strings.TrimSpace(s.read("decisions.json")), "\n")
	if len(was) != len(pastAttempts) {
		t.Fatalf("%d decisions were logged", len(was))
	}
	for i, a := range pastAttempts {
		s.output("probe", a.client, a.sender, a.recipient)
		var line logLine
		if err := json.Unmarshal([]byte(was[i]), &line); err != nil {
			t.Fatal(err)
		}
		is := p.waitMore(i, `"msg":"decision"`)
		for key, value := range line {
			if key == "via" {
				value = greylist.ViaProbe // earlier versions logged the protocol by which probe asked
			}
			if got, there := is[key]; !there || got != value && key != "time" && key != "took" {
				t.Errorf("%v: %s is logged as %v, was %v", a, key, got, value)
			}
		}
	}
}

// Each released version has left something behind.
func TestEveryReleaseIsKept(t *testing.T) {
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^## \[([0-9][^\]]*)\]`).FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat(filepath.Join(past, m[1], "greyglass.db")); err != nil {
			t.Errorf("version %s is released, but nothing of it is kept: make %s/%s as its neighbours are, with that version's program (%v)", m[1], past, m[1], err)
		}
	}
}
