package config

import (
	"strings"
	"testing"
)

// TestPrint reads back what is printed.
func TestPrint(t *testing.T) {
	l := mustLoad(t, Source{Set: []string{
		`greylist.reply="451 4.7.1 \"Wait\" \\ {wait}"`,
		"store.timeout=250ms",
		"rules.accept_loopback=false",
		"rules.allowed_senders=['192.0.2.7']",
		"rules.whitelisted_triples=[['192.0.2', '*', '<a@example.org>']]",
		"blocked.senders_file=/a\tb\u202ec",
	}})
	var b strings.Builder
	if err := l.Print(&b); err != nil {
		t.Fatal(err)
	}
	again := mustLoad(t, Source{File: write(t, b.String())})
	wantEqual(t, b.String(), again.Config, l.Config)
	for _, line := range []string{
		"[greylist]\nprofile = \"classic\"  # default\n",
		"\ntimeout = \"250ms\"  # --set\n",
		"\nallowed_senders = [\"192.0.2.7\"]  # --set\n",
	} {
		if !strings.Contains(b.String(), line) {
			t.Errorf("no %q in\n%s", line, b.String())
		}
	}
}

func TestMaskPassword(t *testing.T) {
	for in, want := range map[string]string{
		"sqlite:/var/lib/greyglass/a:b@c.db":           "sqlite:/var/lib/greyglass/a:b@c.db",
		"sqlite:///a:b@c.db":                           "sqlite:///a:b@c.db",
		"postgres://db/greyglass":                      "postgres://db/greyglass",
		"postgres://user@db/greyglass":                 "postgres://user@db/greyglass",
		"postgres://user:pw@db/greyglass":              "postgres://user:***@db/greyglass",
		"postgres://user:p@w/:?@db:5432/greyglass?a=b": "postgres://user:***@db:5432/greyglass?a=b",
		"postgresql://db/x?password=pw&sslmode=off":    "postgresql://db/x?password=***&sslmode=off",
		"postgres://db/x?sslpassword=pw":               "postgres://db/x?sslpassword=***",
		"no URL":                                       "no URL",
	} {
		wantEqual(t, in, maskPassword(in), want)
	}
	l := mustLoad(t, Source{Set: []string{"store.url=postgres://user:secret@db/x"}})
	var b strings.Builder
	if err := l.Print(&b); err != nil || strings.Contains(b.String(), "secret") {
		t.Errorf("%v\n%s", err, b.String())
	}
	wantEqual(t, "in the log", l.Config.Store.Shown(), "postgres://user:***@db/x")
}

func TestRestart(t *testing.T) {
	old := mustLoad(t, Source{}).Config
	wantEqual(t, "same", Restart(old, mustLoad(t, Source{}).Config), []string(nil))
	changed := mustLoad(t, Source{Set: []string{
		"listen.policy=[]", "listen.http=127.0.0.1:0", "store.url=sqlite:x", "store.timeout=1s", "greylist.too_soon=1", "limits.connections=1",
	}}).Config
	wantEqual(t, "changed", Restart(old, changed), []string{"listen.policy", "listen.http", "store.url"})
	for key, o := range byKey {
		if want := strings.HasPrefix(key, "listen.") || strings.HasPrefix(key, "web.") || key == "store.url" || key == "store.password_file" || key == "store.cache_triplets"; o.Restart != want {
			t.Errorf("%s: Restart is %v", key, o.Restart)
		}
	}
}

func TestAccessors(t *testing.T) {
	c := mustLoad(t, Source{Set: []string{"store.url=sqlite:var/greyglass.db", "listen.socket_mode=0640"}}).Config
	file, ok := c.Store.SQLite()
	wantEqual(t, "file", file, "var/greyglass.db")
	wantEqual(t, "is SQLite", ok, true)
	wantEqual(t, "mode", c.Listen.Mode().String(), "-rw-r-----")
	_, ok = Store{URL: "postgres://db/x"}.SQLite()
	wantEqual(t, "is SQLite", ok, false)
}
