package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// write writes a configuration file and returns its name.
func write(t testing.TB, document string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "greyglass.toml")
	if err := os.WriteFile(file, []byte(document), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func mustLoad(t testing.TB, src Source) *Loaded {
	t.Helper()
	l, err := Load(src)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func wantEqual(t testing.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\ngot  %+v\nwant %+v", what, got, want)
	}
}

// TestDesign holds the defaults to those of the design.
func TestDesign(t *testing.T) {
	file := filepath.Join("testdata", "design.toml")
	l := mustLoad(t, Source{File: file, FileRequired: true})
	wantEqual(t, "defaults", l.Config, mustLoad(t, Source{}).Config)
	wantEqual(t, "origin", l.Origins["log.level"], file+":43")
}

// TestTry holds what "make run" uses to what the design and the README say of it.
func TestTry(t *testing.T) {
	c := mustLoad(t, Source{File: filepath.Join("..", "..", "..", "..", "contrib", "try", "greyglass.toml"), FileRequired: true}).Config
	wantEqual(t, "listen.milter", c.Listen.Milter, []string{"inet:127.0.0.1:8895"})
	wantEqual(t, "listen.policy", c.Listen.Policy, []string{"inet:127.0.0.1:8897"})
	wantEqual(t, "listen.http", c.Listen.HTTP, "127.0.0.1:8896")
	wantEqual(t, "store.url", c.Store.URL, "sqlite:var/greyglass.db")
	wantEqual(t, "greylist.min_defer_time", c.Greylist.MinDeferTime, 10*time.Second)
}

func TestPrecedence(t *testing.T) {
	file := write(t, "[greylist]\ntoo_soon = 20\nmin_defer_time = \"30s\"\nmax_defer_time = \"1h\"\n")
	l := mustLoad(t, Source{
		File:    file,
		Environ: []string{"HOME=/root", "GREYGLASS_GREYLIST__MIN_DEFER_TIME=40", "GREYGLASS_GREYLIST__MAX_DEFER_TIME=2h"},
		Set:     []string{"greylist.max_defer_time=3h", "log.level=warn", "log.level=debug"},
	})
	for _, c := range []struct {
		key    string
		value  any
		origin string
	}{
		{"greylist.max_grey", 3000000 * time.Second, "default"},
		{"greylist.too_soon", 20 * time.Second, file + ":2"},
		{"greylist.min_defer_time", 40 * time.Second, "GREYGLASS_GREYLIST__MIN_DEFER_TIME"},
		{"greylist.max_defer_time", 3 * time.Hour, "--set"},
		{"log.level", "debug", "--set"},
	} {
		wantEqual(t, c.key, l.Config.value(c.key), c.value)
		wantEqual(t, c.key, l.Origins[c.key], c.origin)
	}
	wantEqual(t, "origins", len(l.Origins), len(byKey))
}

// TestOutsideValues reads values as they stand in the environment and after --set.
func TestOutsideValues(t *testing.T) {
	for _, c := range []struct {
		key, text string
		want      any
	}{
		{"greylist.too_soon", "5s", 5 * time.Second},
		{"greylist.too_soon", `"5s"`, 5 * time.Second},
		{"greylist.too_soon", "5", 5 * time.Second},
		{"greylist.too_soon", "05", 5 * time.Second},
		{"greylist.too_soon", "0", time.Duration(0)},
		{"greylist.too_soon", "1m30s", 90 * time.Second},
		{"store.timeout", "250ms", 250 * time.Millisecond},
		{"greylist.client_prefix_ipv4", "24", 24},
		{"greylist.client_prefix_ipv4", " 24 ", 24},
		{"rules.accept_loopback", "false", false},
		{"listen.socket_mode", "0600", "0600"},
		{"listen.socket_mode", "600", "600"},
		{"listen.socket_group", "", ""},
		{"listen.socket_group", "postfix", "postfix"},
		{"listen.socket_group", `"postfix"`, "postfix"},
		{"listen.socket_group", `'`, "'"},
		{"listen.socket_group", "true", "true"},
		{"greylist.reply", "451 4.7.1 a=b, {wait}", "451 4.7.1 a=b, {wait}"},
		{"listen.policy", "[]", []string{}},
		{"rules.allowed_senders", `["192.0.2.7", '192.0.2.8']`, []string{"192.0.2.7", "192.0.2.8"}},
		{"rules.whitelisted_triples", `[["192.0.2", "*", "a@example.org"]]`, [][]string{{"192.0.2", "*", "a@example.org"}}},
	} {
		variable := environPrefix + strings.ToUpper(strings.Replace(c.key, ".", "__", 1))
		environ := mustLoad(t, Source{Environ: []string{variable + "=" + c.text}})
		wantEqual(t, variable+"="+c.text, environ.Config.value(c.key), c.want)
		set := mustLoad(t, Source{Set: []string{c.key + "=" + c.text}})
		wantEqual(t, "--set "+c.key+"="+c.text, set.Config.value(c.key), c.want)
	}
}

func TestOutsideMistakes(t *testing.T) {
	_, err := Load(Source{
		Environ: []string{
			"GREYGLASS_LISTEN__MILTER=inet:127.0.0.1:8895",
			"GREYGLASS_LISTEN__POLICY=[\"unix:x\"]",
			"GREYGLASS_GREYLIST__TO_SOON=5s",
			"GREYGLASS_GREYLST__TOO_SOON=5s",
			"GREYGLASS_RULES__ACCEPT_LOOPBACK=",
			"GREYGLASS_STORE__URL=postgres://greyglass:secret@db:x/",
			"GREYGLASS_X__A\nB=1",
		},
		Set: []string{
			"log.level",
			"level=debug",
			"greylist.client_prefix_ipv4=1\nx=2",
			"greylist.too_soon=9999999999999",
			"greylist.min_defer_time=99999999999999999999",
			"stoer.url=postgres://greyglass:secret@db/",
		},
	})
	wantProblems(t, err,
		`GREYGLASS_GREYLIST__TO_SOON: greylist.to_soon = "5s": unknown key; did you mean greylist.too_soon?`,
		`GREYGLASS_GREYLST__TOO_SOON: greylst.too_soon = "5s": unknown section; did you mean [greylist]?`,
		`GREYGLASS_LISTEN__MILTER: listen.milter = "inet:127.0.0.1:8895": a string where a list belongs; write a list such as ["a", "b"], or []`,
		`GREYGLASS_LISTEN__POLICY: listen.policy[0] = "unix:x": has a relative path; write it in full, as unix:/run/greyglass/milter.sock`,
		`GREYGLASS_RULES__ACCEPT_LOOPBACK: rules.accept_loopback = "": a string where a boolean belongs; write true or false, without quotes`,
		`GREYGLASS_STORE__URL: store.url = "postgres://greyglass:***@db:x/": not a PostgreSQL URL: invalid port; write sqlite:/var/lib/greyglass/greyglass.db or postgres://USER@HOST/DATABASE`,
		"GREYGLASS_X__A\uFFFDB: x.a\uFFFDb = \"1\": unknown section; remove it; the sections are listen, store, greylist, rules, blocked, reply, dns, learn, log, limits, web",
		`--set: "log.level" sets nothing; write --set section.key=VALUE, as in --set greylist.too_soon=60s`,
		`--set: "level=debug" sets nothing; write --set section.key=VALUE, as in --set greylist.too_soon=60s`,
		`--set: greylist.client_prefix_ipv4 = "1\nx=2": a string where a whole number belongs; write a number from 1 to 32, without quotes`,
		`--set: greylist.too_soon = 9999999999999: too long; write at most "36500d"`,
		`--set: greylist.min_defer_time = "99999999999999999999": not a duration; write a time such as "90s" or "1h30m", or a number of seconds`,
		`--set: stoer.url = "postgres://greyglass:***@db/": unknown section; did you mean [store]?`,
	)
}

// wantProblems compares the lines of an error.
func wantProblems(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	got := strings.Split(err.Error(), "\n")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestWindowsUnknown finds no contradiction with a window that is unknown.
func TestWindowsUnknown(t *testing.T) {
	_, err := Load(Source{Set: []string{"greylist.too_soon=9h", "greylist.max_defer_time=1w"}})
	wantProblems(t, err, `--set: greylist.max_defer_time = "1w": not a duration; write a time such as "90s" or "1h30m", or a number of seconds`)
}

// TestHTTPAddresses: what only this machine reaches needs no permission.
func TestHTTPAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:8896": "inet:127.0.0.1:8896",
		"127.9.9.9:0":    "inet:127.9.9.9:0",
		"[::1]:8896":     "inet:[::1]:8896",
		"localhost:8896": "inet:localhost:8896",
		"systemd:http":   "systemd:http",
	} {
		l := mustLoad(t, Source{Set: []string{"listen.http=" + address}})
		wantEqual(t, address, l.Config.Listen.HTTPAddress(), want)
	}
	mustLoad(t, Source{Set: []string{"listen.http=0.0.0.0:8896", "listen.http_public=true"}})
}

func TestDays(t *testing.T) {
	l := mustLoad(t, Source{Set: []string{"store.history=31d", "greylist.max_grey=1d"}})
	wantEqual(t, "history", l.Config.Store.History, 31*24*time.Hour)
	wantEqual(t, "max_grey", l.Config.Greylist.MaxGrey, 24*time.Hour)
}

func TestFileNotThere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "greyglass.toml")
	l := mustLoad(t, Source{File: file})
	wantEqual(t, "config", l.Config, mustLoad(t, Source{}).Config)
	_, err := Load(Source{File: file, FileRequired: true})
	wantProblems(t, err, file+": no such file; create it, or name another one with --config")
	_, err = Load(Source{FileRequired: true})
	wantProblems(t, err, `"": no such file; create it, or name another one with --config`)
	folder := t.TempDir()
	_, err = Load(Source{File: folder})
	wantProblems(t, err, folder+": cannot be read: is a directory; make it a file that this user may read")
}

func TestPlainFiles(t *testing.T) {
	for name, document := range map[string]string{
		"empty":           "",
		"byte order mark": "\ufeff[log]\nlevel = \"info\"\n",
		"CRLF":            "[log]\r\nlevel = \"info\"\r\n",
		"dotted":          "log.level = \"info\"",
		"inline":          "log = { level = \"info\" }",
		"empty section":   "[log]",
	} {
		t.Run(name, func(t *testing.T) {
			wantEqual(t, name, mustLoad(t, Source{File: write(t, document)}).Config, mustLoad(t, Source{}).Config)
		})
	}
}

// TestReload reads a file again from which keys were removed.
func TestReload(t *testing.T) {
	file := write(t, "[listen]\npolicy = []\n[greylist]\ntoo_soon = 20\n")
	wantEqual(t, "before", mustLoad(t, Source{File: file}).Config.Greylist.TooSoon, 20*time.Second)
	if err := os.WriteFile(file, []byte("[greylist]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "after", mustLoad(t, Source{File: file}).Config, mustLoad(t, Source{}).Config)
}

func TestWarnings(t *testing.T) {
	l := mustLoad(t, Source{
		Environ: []string{"GREYGLASS_LAB=1", "GREYGLASS_=x", "GREYGLASSES__X=1"},
		Set: []string{
			"blocked.senders_file=/nonexistent/blocked",
			"blocked.exceptions_file=",
		},
	})
	var warnings []string
	for _, w := range l.Warnings {
		warnings = append(warnings, w.Detail)
		if w.Fix == "" {
			t.Errorf("no fix: %s", w.Detail)
		}
	}
	wantEqual(t, "warnings", warnings, []string{
		"GREYGLASS_: ignored, because it has no two underscores between a section and a key",
		"GREYGLASS_LAB: ignored, because it has no two underscores between a section and a key",
		`blocked.senders_file = "/nonexistent/blocked": no such file, so the list is empty`,
	})
}

// A file that has nothing in it is told of, there or not, and one that was not
// asked for is none.
func TestEmptyFile(t *testing.T) {
	dir := t.TempDir()
	empty, full, gone := filepath.Join(dir, "empty.toml"), filepath.Join(dir, "full.toml"), filepath.Join(dir, "gone.toml")
	if err := errors.Join(os.WriteFile(empty, nil, 0o600), os.WriteFile(full, []byte("# defaults\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{empty: empty, gone: gone, full: "", "": ""} {
		loaded, err := Load(Source{File: file, Set: noLists(full)})
		if err != nil {
			t.Fatal(err)
		}
		if loaded.EmptyFile != want {
			t.Errorf("%q: %q, want %q", file, loaded.EmptyFile, want)
		}
	}
}
