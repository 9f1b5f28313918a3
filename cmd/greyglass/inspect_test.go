package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"greyglass/greylist"
)

// eitherWay runs a test beside a running daemon, and without one.
func eitherWay(t *testing.T, more conf, test func(t *testing.T, s *site)) {
	for _, running := range []bool{true, false} {
		t.Run(fmt.Sprintf("running=%t", running), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, more)
			s.create()
			if running {
				s.serve()
			}
			test(t, s)
		})
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	eitherWay(t, nil, func(t *testing.T, s *site) {
		stats := func() (o struct {
			Waiting, Passed, Deferred, Accepted, Bytes int64
			OldestWaiting                              *int64 `json:"oldest_waiting"`
			LatestPassed                               *int64 `json:"latest_passed"`
		}) {
			if err := json.Unmarshal([]byte(s.output("stats", "--json")), &o); err != nil {
				t.Fatal(err)
			}
			return o
		}
		if o := stats(); o.Waiting+o.Passed+o.Deferred+o.Accepted != 0 || o.OldestWaiting != nil || o.LatestPassed != nil {
			t.Errorf("of nothing: %+v", o)
		}
		s.rememberAll()
		o := stats()
		if o.Waiting != 2 || o.Passed != 2 || o.Deferred != 5 || o.Accepted != 4 || o.Bytes <= 0 ||
			*o.OldestWaiting != longAgo-10 || *o.LatestPassed != longAgo+5000 {
			t.Errorf("%+v", o)
		}
		table := s.output("stats")
		for _, want := range []string{
			`^waiting +2 +\(oldest since: 2023-11-14 22:13:10 UTC\)$`,
			`^passed +2 +\(latest at: 2023-11-14 23:36:40 UTC\)$`,
			`^deferred +5 `, `^accepted +4 `, `^database +[0-9]+ KiB$`,
		} {
			if !regexp.MustCompile("(?m)" + want).MatchString(table) {
				t.Errorf("no line %s in:\n%s", want, table)
			}
		}
	})
}

func TestVersion(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"no.such": "key"}) // the configuration does not matter
	if got := s.output("version"); !regexp.MustCompile(`^greyglass ` + regexp.QuoteMeta(version) + ` \(go1\.[0-9.]+, [a-z]+/[a-z0-9]+\)\n$`).MatchString(got) {
		t.Errorf("%q", got)
	}
}

// The environment overrides the file, --set overrides both, for every command.
func TestOverrides(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	other, third := newSite(t, nil), newSite(t, nil)
	s.create()
	other.remember("192.0.2.1", "other@example.net", "bob@example.org", greylist.Entry{FirstSeen: longAgo})
	third.remember("192.0.2.1", "third@example.net", "bob@example.org", greylist.Entry{FirstSeen: longAgo})
	if got := s.list(); len(got) != 0 {
		t.Errorf("file: %v", got)
	}
	s.environ = append(s.environ, "GREYGLASS_STORE__URL=sqlite:"+other.db)
	if got := s.list(); len(got) != 1 || got[0].Sender != "other@example.net" {
		t.Errorf("environment: %v", got)
	}
	if got := s.list("--set", "store.url=sqlite:"+third.db); len(got) != 1 || got[0].Sender != "third@example.net" {
		t.Errorf("--set: %v", got)
	}
	s.run("list", "--set", "store.url=sqlite:"+third.db, "--set", "store.uri=x").fails(t, statusConfig, "--set", "store.uri", "unknown key")
	// How much of an address is the client depends on the configuration, too.
	if got := s.list("--client", "192.0.2.0/24", "--set", "greylist.client_prefix_ipv4=24"); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if got := s.output("pass", "192.0.2.7", "a@x", "b@y", "--set", "greylist.client_prefix_ipv4=24"); !strings.HasPrefix(got, "passed: 192.0.2.0/24 a@x b@y\n") {
		t.Error(got)
	}
}
