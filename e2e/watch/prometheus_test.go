package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"greyglass/e2e/build"
	"greyglass/e2e/lab"
	"greyglass/greylist"
	"greyglass/milter"
	"greyglass/milter/listen"
)

// timeout bounds every wait for something that takes seconds.
const timeout = 2 * time.Minute

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Since(began) > timeout {
			t.Fatalf("not within %v: %s", timeout, what)
		}
	}
}

// run starts a program, whose output stands in the test's log if that fails. It
// is ended with the test.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		stop := time.AfterFunc(timeout, func() { _ = cmd.Process.Kill() })
		defer stop.Stop()
		if err := cmd.Wait(); err != nil && cmd.Args[1] == "serve" {
			t.Errorf("%s: %v", cmd.Path, err)
		}
		if t.Failed() {
			t.Logf("%s:\n%s", cmd.Path, &out)
		}
	})
}

// freePort is not in use at the moment.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// startDaemon starts the program, and returns its HTTP address and its socket.
func startDaemon(t *testing.T) (web string, socket listen.Address) {
	t.Helper()
	dir := lab.Dir(t)
	web = "127.0.0.1:" + freePort(t)
	config := fmt.Sprintf(`
listen.milter = ["unix:%[1]s/milter.sock"]
listen.policy = ["unix:%[1]s/policy.sock"]
listen.http = %[2]q
store.url = "sqlite:%[1]s/greyglass.db"
greylist.too_soon = 0
greylist.min_defer_time = "1s"
blocked.senders_file = "%[1]s/blocked.list"
blocked.exceptions_file = "%[1]s/exceptions.list"
`, dir, web)
	for name, text := range map[string]string{"greyglass.toml": config, "blocked.list": "@spam.example\n", "exceptions.list": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(lab.Program(), "serve", "--config", filepath.Join(dir, "greyglass.toml"))
	cmd.Env = build.Environ()
	run(t, cmd)
	eventually(t, "the daemon is ready", func() bool {
		r, err := http.Get("http://" + web + "/readyz")
		if err != nil {
			return false
		}
		defer r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	socket, err := listen.ParseAddress("unix:" + filepath.Join(dir, "milter.sock"))
	if err != nil {
		t.Fatal(err)
	}
	return web, socket
}

// attempt makes attempts, some of which are retried.
func attempt(t *testing.T, socket listen.Address) {
	t.Helper()
	ask := func(sender string) greylist.Verdict {
		t.Helper()
		answer, err := milter.Probe(t.Context(), socket, greylist.Attempt{
			Client: greylist.ParseClient("203.0.113.7"), Helo: "mx.example.net", Sender: sender, Recipient: "bob@example.test"})
		if err != nil {
			t.Fatal(err)
		}
		return answer.Verdict
	}
	for i := range 5 {
		ask(fmt.Sprintf("unknown%d@example.net", i))
	}
	ask("x@spam.example")
	eventually(t, "one is accepted", func() bool { return ask("unknown1@example.net") == greylist.Accept })
}

// fetch returns what is at an address.
func fetch(t *testing.T, address string) string {
	t.Helper()
	r, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v: %s", address, r.Status, err, text)
	}
	return string(text)
}

// prometheus is a running Prometheus, which asks the daemon each second.
type prometheus struct{ address string }

func startPrometheus(t *testing.T, daemon string) prometheus {
	t.Helper()
	dir := lab.Dir(t)
	config := fmt.Sprintf(`{"global":{"scrape_interval":"1s"},"scrape_configs":[{"job_name":"greyglass","static_configs":[{"targets":[%q]}]}]}`, daemon)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	p := prometheus{"127.0.0.1:" + freePort(t)}
	promtool := lab.Command(lab.Prometheus)
	cmd := exec.Command(filepath.Join(filepath.Dir(promtool.Path), "prometheus"), "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+p.address)
	cmd.Env = promtool.Env
	run(t, cmd)
	eventually(t, "Prometheus has scraped the daemon a few times", func() bool {
		found, err := p.query(`count_over_time(greyglass_build_info[1h]) > 5`)
		return err == nil && found > 0
	})
	return p
}

// query evaluates an expression, and returns how many series it yields.
func (p prometheus) query(expr string) (found int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+"/api/v1/query?"+url.Values{"query": {expr}}.Encode(), nil)
	if err != nil {
		return 0, err
	}
	r, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []json.RawMessage }
	}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if answer.Error != "" {
		return 0, errors.New(answer.Error)
	}
	return len(answer.Data.Result), nil
}
