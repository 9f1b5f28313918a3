package chaos

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"greyglass/e2e/build"
)

// places are where everything of a run is.
type places struct {
	dir      string // not on the disk that is interfered with
	disk     string
	database string
	config   string
	clock    string

	blocked, exceptions    string
	milterUnix, policyUnix string
	milterInet, policyInet string
}

func newPlaces(t *testing.T) *places {
	t.Helper()
	dir, err := os.MkdirTemp("", "gg-") // short, for the sockets' paths
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	at := func(name string) string { return filepath.Join(dir, name) }
	p := &places{
		dir: dir, disk: at("disk"), database: at("disk/greyglass.db"), config: at("greyglass.toml"), clock: at("clock"),
		blocked: at("blocked.list"), exceptions: at("exceptions.list"),
		milterUnix: at("milter.sock"), policyUnix: at("policy.sock"),
		milterInet: freeAddress(t), policyInet: freeAddress(t),
	}
	if err := os.Mkdir(p.disk, 0o755); err != nil {
		t.Fatal(err)
	}
	return p
}

// daemon is one life of 'greyglass serve'.
type daemon struct {
	cmd   *exec.Cmd
	log   *follower
	born  int           // the epoch of the clock in which it was started
	ended chan struct{} // closed when it has, and its log was read

	killed atomic.Bool  // by us
	ending atomic.Int64 // Unix nanoseconds of our SIGTERM; zero if it was not sent
}

// command is a run of the program, not started yet.
func (p *places) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, append(args, "--config", p.config)...)
	cmd.Env = append(build.Environ(), "CHAOS_CLOCK="+p.clock)
	return cmd
}

// start starts the daemon and waits until it serves. The error is a
// *exec.ExitError if it gives up before that.
func start(p *places, program string, born int) (*daemon, error) {
	d := &daemon{cmd: p.command(program, "serve"), log: newFollower(), born: born, ended: make(chan struct{})}
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	result := make(chan error, 1)
	go func() {
		d.log.follow(stderr)
		result <- d.cmd.Wait()
		close(d.ended)
	}()
	if d.log.wait("started", 0, 30*time.Second, d.ended) {
		return d, nil
	}
	_ = d.cmd.Process.Kill()
	if err := <-result; err != nil {
		return nil, fmt.Errorf("%w\n%s", err, d.log.tail())
	}
	return nil, fmt.Errorf("the daemon ended while it started\n%s", d.log.tail())
}

// endsFrom is when the daemon was told to end; far in the future if it was not.
func (d *daemon) endsFrom() time.Time {
	if at := d.ending.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Now().Add(time.Hour)
}

func (d *daemon) signal(s syscall.Signal) { _ = d.cmd.Process.Signal(s) }

// kill ends the daemon as a crash does.
func (d *daemon) kill() {
	d.killed.Store(true)
	_ = d.cmd.Process.Kill()
	<-d.ended
}

// end ends the daemon in good order, and returns how long that took.
func (d *daemon) end() (took time.Duration, err error) {
	began := time.Now()
	d.ending.Store(began.UnixNano())
	d.signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(30 * time.Second):
		d.kill()
		return time.Since(began), fmt.Errorf("the daemon does not end")
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		return time.Since(began), fmt.Errorf("the daemon ended with status %d", code)
	}
	return time.Since(began), nil
}

// alive reports whether the daemon has not ended.
func (d *daemon) alive() bool {
	select {
	case <-d.ended:
		return false
	default:
		return true
	}
}

// usage is what a process takes of the system.
type usage struct {
	threads, goroutines int
	files, database     int // file descriptors; those of the database apart
	resident            int // MB
}

func (d *daemon) usage() (u usage) {
	proc := fmt.Sprintf("/proc/%d/", d.cmd.Process.Pid)
	status, _ := os.ReadFile(proc + "status")
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		switch name {
		case "Threads":
			u.threads = n
		case "VmRSS":
			u.resident = n / 1024
		}
	}
	files, _ := os.ReadDir(proc + "fd")
	for _, f := range files {
		if file, _ := os.Readlink(proc + "fd/" + f.Name()); strings.Contains(file, "/greyglass.db") {
			u.database++
		} else {
			u.files++
		}
	}
	return u
}

// goroutines ends the daemon in a way that has the runtime print them all, and
// returns how many there were.
func (d *daemon) goroutines() int {
	d.killed.Store(true)
	d.signal(syscall.SIGQUIT)
	<-d.ended
	return d.log.count("goroutine")
}

// freeAddress is an address on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
