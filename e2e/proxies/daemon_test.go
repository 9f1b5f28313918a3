package proxies

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"greyglass/e2e/build"
	"greyglass/e2e/lab"
	"greyglass/greylist"
	"greyglass/milter"
	"greyglass/milter/listen"
)

// The users of the page, or of the proxy. Only the operator may act.
const (
	operator = "olga"
	looker   = "lars"
	password = "correct horse"
)

// timeout bounds every wait.
const timeout = time.Minute

// hash is that of the password, as "htpasswd -B" writes it.
var hash = sync.OnceValue(func() []byte {
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		panic(err) // of a password that is too long
	}
	return bytes.Replace(h, []byte("$2a$"), []byte("$2y$"), 1)
})

// usersText is a file of htpasswd.
func usersText() string { return fmt.Sprintf("%s:%s\n%s:%s\n", operator, hash(), looker, hash()) }

// daemon is a running "greyglass serve" with a page.
type daemon struct {
	t      *testing.T
	socket listen.Address
	log    *output
	stop   func()
}

// output is what a program prints, which can be read at any time.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// startDaemon starts the program with lines below [web].
func startDaemon(t *testing.T, web string) *daemon {
	t.Helper()
	dir := lab.Dir(t)
	write(t, filepath.Join(dir, "users"), usersText())
	file := filepath.Join(dir, "greyglass.toml")
	write(t, file, fmt.Sprintf(`
listen.milter = ["unix:%[1]s/milter.sock"]
listen.policy = []
store.url = "sqlite:%[1]s/greyglass.db"
blocked.senders_file = ""
blocked.exceptions_file = ""
%[2]soperators = [%[3]q]
`, dir, strings.ReplaceAll(web, "DIR", dir), operator))
	socket, err := listen.ParseAddress("unix:" + filepath.Join(dir, "milter.sock"))
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, socket: socket, log: new(output)}
	cmd := exec.Command(lab.Program(), "serve", "--config", file)
	cmd.Env = build.Environ()
	d.stop = runInto(t, cmd, d.log)
	eventually(t, "the page is ready", func() bool {
		r, err := http.Get("http://127.0.0.1:8898/")
		if err != nil {
			return false
		}
		_ = r.Body.Close()
		return r.StatusCode != http.StatusServiceUnavailable
	})
	return d
}

// attempt is mail of an unknown sender that asks.
func (d *daemon) attempt() greylist.Verdict {
	d.t.Helper()
	answer, err := milter.Probe(d.t.Context(), d.socket, greylist.Attempt{
		Client: greylist.ParseClient("203.0.113.7"), Helo: "mx.example.net", Sender: "ann@example.net", Recipient: "bob@example.org"})
	if err != nil {
		d.t.Fatal(err)
	}
	return answer.Verdict
}

// logs waits until a line of the log has all texts.
func (d *daemon) logs(texts ...string) {
	d.t.Helper()
	eventually(d.t, "the log has "+strings.Join(texts, " "), func() bool {
		for line := range strings.Lines(d.log.String()) {
			has := true
			for _, text := range texts {
				has = has && strings.Contains(line, text)
			}
			if has {
				return true
			}
		}
		return false
	})
}

// run runs a program until the returned function is called, or the test ends. What it
// prints stands in the test's log if that fails.
func run(t *testing.T, cmd *exec.Cmd) (stop func()) { return runInto(t, cmd, new(output)) }

func runInto(t *testing.T, cmd *exec.Cmd, out *output) (stop func()) {
	t.Helper()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(timeout, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		_ = cmd.Wait()
	})
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("%s:\n%s", cmd.Path, out)
		}
	})
	return stop
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > timeout {
			t.Fatalf("not within %v: %s", timeout, what)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// writeCertificate writes a certificate, which the browser of these tests does not check.
func writeCertificate(t *testing.T, certFile, keyFile string) {
	t.Helper()
	cert := lab.ClientCert()
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Leaf.Raw})))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
}
