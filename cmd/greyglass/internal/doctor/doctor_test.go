package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"greyglass/cmd/greyglass/internal/config"
	"greyglass/milter/listen"
	"greyglass/sqlstore"
)

func TestConfiguration(t *testing.T) {
	_, err := config.Load(config.Source{Set: []string{`greylist.mode="off"`, "rules.loopback=1"}})
	var found []Finding
	if err := Examine(t.Context(), Subject{LoadError: err}, func(f Finding) { found = append(found, f) }); err != nil {
		t.Fatal(err)
	}
	wantProblems(t, found, "wrong: greylist.mode", "wrong: rules.loopback", "warn: nothing else was checked")
}

func TestConfigurationWarns(t *testing.T) {
	s := subject(t, nil, nil)
	loaded, err := config.Load(config.Source{Set: []string{`greylist.mode=observe`, "blocked.exceptions_file=", "blocked.senders_file=/nowhere/list"}})
	if err != nil {
		t.Fatal(err)
	}
	s.Loaded = loaded
	got := examine(t, s, func(_ context.Context, v *exam) { checkConfiguration(v) })
	wantProblems(t, got, "warn: no such file", `warn: greylist.mode is "observe"`)
}

func TestAttachment(t *testing.T) {
	for _, c := range []struct {
		name  string
		set   []string
		found exam
		want  []string
		fixes string
	}{
		{name: "attached", found: exam{mailServers: []string{"Postfix", "Exim"}, attached: []string{"Exim"}}},
		{name: "not attached", found: exam{mailServers: []string{"Exim"}}, want: []string{"wrong: no mail server asks Greyglass"}},
		{name: "unreadable", found: exam{unread: []string{"Exim"}}, want: []string{"warn: it is not known whether Exim asks Greyglass"}},
		{name: "no mail server", want: []string{"wrong: there is none on this machine"}},
		{name: "for other machines", set: []string{`listen.milter=["inet:192.0.2.1:8895"]`}},
	} {
		loaded, err := config.Load(config.Source{Set: c.set})
		if err != nil {
			t.Fatal(err)
		}
		var found []Finding
		v := c.found
		v.config, v.report = loaded.Config, func(f Finding) { found = append(found, f) }
		checkAttachment(t.Context(), &v)
		wantProblems(t, found, c.want...)
	}
}

func TestSystemdSockets(t *testing.T) {
	m := subject(t, map[string]string{
		"/etc/systemd/system/greyglass.socket":    "[Socket]\nListenStream=/run/greyglass/milter.sock\nFileDescriptorName=milter\n",
		"/lib/systemd/system/greyglass-in.socket": "[Socket]\nListenStream = 127.0.0.1:8895\n",
	}, nil).Machine
	for name, want := range map[string]string{"milter": "unix:/run/greyglass/milter.sock", "greyglass-in.socket": "inet:127.0.0.1:8895"} {
		if a, err := m.passedBySystemd(listen.Address{Network: "systemd", Addr: name}); err != nil || a.String() != want {
			t.Errorf("%s: %v, %v", name, a, err)
		}
	}
	if _, err := m.passedBySystemd(listen.Address{Network: "systemd", Addr: "policy"}); err == nil {
		t.Error("there is a socket that no unit names")
	}
}

func TestDisk(t *testing.T) {
	for _, c := range []struct {
		free, total uint64
		err         error
		want        []string
	}{
		{50 << 30, 100 << 30, nil, nil},
		{4 << 30, 100 << 30, nil, []string{"warn: only 4.0 GiB left (4 %)"}},
		{90 << 20, 1 << 30, nil, []string{"warn: only 90 MiB left (8 %)"}},
		{0, 1 << 30, nil, []string{"wrong: is full"}},
		{0, 0, errors.New("no such device"), []string{"warn: no such device"}},
	} {
		s := subject(t, nil, nil)
		s.Machine.Space = func(string) (uint64, uint64, error) { return c.free, c.total, c.err }
		wantProblems(t, examine(t, s, checkDisk), c.want...)
	}
}

func TestClock(t *testing.T) {
	running := map[string]string{"/run/systemd/timesync/x": ""}
	synchronized := map[string]string{"/run/systemd/timesync/synchronized": ""}
	for _, c := range []struct {
		name   string
		now    time.Time
		newest time.Time
		files  map[string]string
		want   []string
	}{
		{"right", now, now.Add(-time.Hour), nil, nil},
		{"right, and nothing is remembered", now, time.Unix(0, 0), synchronized, nil},
		{"a moment behind", now, now.Add(time.Minute), nil, nil},
		{"of 1970", time.Unix(1000, 0), time.Unix(0, 0), nil, []string{"wrong: before this program was written"}},
		{"an hour behind", now, now.Add(time.Hour), nil, []string{"wrong: the database has a time that is 1h0m0s later"}},
		{"right, but was ahead", now, now.Add(time.Hour), synchronized, []string{"warn: was ahead once"}},
		{"never compared", now, now, running, []string{"warn: has not compared it"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := subject(t, c.files, nil)
			s.Machine.Now = func() time.Time { return c.now }
			wantProblems(t, examine(t, s, func(ctx context.Context, v *exam) {
				v.newestTime = c.newest.Unix()
				checkClock(ctx, v)
			}), c.want...)
		})
	}
}

func TestDatabase(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want []string
	}{
		{"sound", func(*testing.T, string) {}, nil},
		{"gone", func(t *testing.T, path string) { remove(t, path) }, []string{"wrong: no database at"}},
		{"another program's", func(t *testing.T, path string) { write(t, path, "hello\n") }, []string{"wrong: not a Greyglass database"}},
		{"corrupt", func(t *testing.T, path string) { damage(t, path) }, []string{"wrong: is corrupt: "}},
		{"quarantined", func(t *testing.T, path string) {
			write(t, path+".corrupt-20261122T190505Z", "")
			write(t, path+".corrupt-20261122T190505Z-wal", "")
		}, []string{"wrong: a database was found corrupt and quarantined as "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "greyglass.db")
			store, err := sqlstore.Open(t.Context(), "sqlite:"+path, sqlstore.Options{Create: true})
			if err == nil {
				err = store.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			c.make(t, path)
			loaded, err := config.Load(config.Source{Set: []string{"store.url=sqlite:" + path}})
			if err != nil {
				t.Fatal(err)
			}
			wantProblems(t, examine(t, Subject{Loaded: loaded, Machine: ThisMachine()}, checkDatabase), c.want...)
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// damage writes over the page of the table's index.
func damage(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("damage damage damage"), 2*4096); err != nil {
		t.Fatal(err)
	}
}
