package mx

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestClocksDiffer: an MX whose clock is far ahead answers as the others do, says so, and
// expires nothing.
func TestClocksDiffer(t *testing.T) {
	db := database(t)
	right := startDaemon(t, urlOf(db))
	ahead := newDaemon(t, urlOf(db))
	ahead.clock = filepath.Join(ahead.dir, "clock")
	if err := os.WriteFile(ahead.clock, []byte(strconv.Itoa(81*24*3600)), 0o600); err != nil {
		t.Fatal(err)
	}
	web := ahead.watched()
	ahead.start()
	var first, second session
	defer first.close()
	defer second.close()
	ann := envelope{"203.0.113.7", "ann@sender.test", "bob@example.test"}
	if a, err := first.ask(right.policy(), newID(), ann); a != later {
		t.Fatalf("%v, %v", a, err)
	}
	time.Sleep(2100 * time.Millisecond)
	for _, d := range []*daemon{ahead, right} {
		if a, err := new(session).ask(d.policy(), newID(), ann); a != accept {
			t.Errorf("after the wait: %v, %v", a, err)
		}
	}
	ahead.run("pass", "203.0.113.8", "ben@sender.test", "bob@example.test")
	out, err := ahead.command("expire").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "clocks differ: they differ by 1944h") {
		t.Errorf("expire: %v: %s", err, out)
	}
	var rows []struct {
		PassedAt int64 `json:"passed_at"`
	}
	if err := json.Unmarshal([]byte(right.run("list", "--passed", "--json")), &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 {
		t.Errorf("%d triplets have passed, want 2", len(rows))
	}
	for _, r := range rows {
		if off := time.Since(time.Unix(r.PassedAt, 0)); off.Abs() > time.Minute {
			t.Errorf("passed at %d, which is %v off", r.PassedAt, off)
		}
	}
	if out, err := ahead.command("doctor").CombinedOutput(); err == nil || !strings.Contains(string(out), "ahead of the database server's") {
		t.Errorf("doctor: %v: %s", err, out)
	}
	if body := get(t, web+"/readyz"); !strings.Contains(body, "\nclock: 1944h0m0s ahead of the database server's") {
		t.Errorf("/readyz:\n%s", body)
	}
	const warning = "this machine's clock and the database server's differ"
	if !strings.Contains(ahead.log(), warning) || strings.Contains(right.log(), warning) || strings.Contains(ahead.log(), "clock stepped") {
		t.Errorf("the logs:\n%s\n%s", ahead.log(), right.log())
	}
}

// watched has the daemon, which is yet to be started, listen on listen.http.
func (d *daemon) watched() (url string) {
	d.t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", lastPort.Add(2))
	file := filepath.Join(d.dir, "greyglass.toml")
	text, err := os.ReadFile(file)
	if err == nil {
		listen := strings.Replace(string(text), "[listen]\n", "[listen]\nhttp = \""+address+"\"\n", 1)
		err = os.WriteFile(file, []byte(listen), 0o600)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return "http://" + address
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
