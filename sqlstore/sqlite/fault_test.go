package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"greyglass/e2e/lab"
	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// journal is what a store has logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// openLogged opens the database as the daemon does, and closes it when the test
// ends, which may fail where the disk does.
func openLogged(t *testing.T, path string) (*Store, *journal) {
	t.Helper()
	j := new(journal)
	s, err := Open(t.Context(), "sqlite:"+path, backend.Options{Create: true, CacheTriplets: 1000, Logger: slog.New(slog.NewTextHandler(j, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", j)
		}
		_ = s.Close()
	})
	return s, j
}

// longWait bounds what should come at once, also on a busy machine.
const longWait = time.Minute

// inTime bounds an update as a judge does, to see it fail.
func inTime(t *testing.T, s *Store, n int64, change storetest.Change) (took time.Duration, err error) {
	t.Helper()
	return within(t, s, 2*time.Second, n, change)
}

func within(t *testing.T, s *Store, bound time.Duration, n int64, change storetest.Change) (took time.Duration, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	began := time.Now()
	err = storetest.Update(ctx, s, storetest.Numbered(n), change)
	return time.Since(began), err
}

// keep is a change that writes nothing, and notes what it was shown.
func keep(shown **greylist.Entry) storetest.Change {
	return func(remembered *greylist.Entry) (greylist.Entry, bool) {
		*shown = remembered
		return greylist.Entry{}, false
	}
}

// failsAtOnce checks that many callers fail quickly, each with
// an error that says where, why and what to do.
func failsAtOnce(t *testing.T, s *Store, says string) {
	t.Helper()
	const crowd = 3 * maxBatch
	began := time.Now()
	errs := make([]error, crowd)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*longWait)
			defer cancel()
			errs[i] = storetest.Update(ctx, s, storetest.Numbered(1_000_000+int64(i)), storetest.Remember(greylist.Entry{FirstSeen: 1}))
		})
	}
	wg.Wait()
	for i, err := range errs {
		var fault *greylist.Fault
		if !errors.As(err, &fault) || errors.Is(err, context.DeadlineExceeded) || fault.Database != s.path || fault.Advice == "" ||
			!strings.Contains(fault.Error(), says) || strings.Contains(fault.Error(), "\n") {
			t.Errorf("the %dth got %v (%+v); want a fault, %q", i, err, fault, says)
			break
		}
		if i == 0 {
			t.Logf("%v [%s]", err, fault.Advice)
		}
	}
	if took := time.Since(began); took > longWait {
		t.Errorf("failing them took %v", took)
	}
}

// stillKnown checks that what is known is answered where nothing is written.
func stillKnown(t *testing.T, s *Store, n int64) {
	t.Helper()
	var shown *greylist.Entry
	if took, err := within(t, s, longWait, n, keep(&shown)); err != nil || shown == nil || shown.FirstSeen != n {
		t.Errorf("what is known: %+v, %v after %v", shown, err, took)
	}
}

// recovers waits until what is new is remembered, and returns how long that took.
func recovers(t *testing.T, s *Store, n int64) {
	t.Helper()
	began := time.Now()
	for {
		_, err := inTime(t, s, n, storetest.Remember(greylist.Entry{FirstSeen: n}))
		if err == nil {
			break
		}
		if time.Since(began) > longWait {
			t.Fatalf("it does not recover: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if e, err := s.Get(t.Context(), storetest.Numbered(n)); err != nil || e == nil || e.FirstSeen != n {
		t.Errorf("afterwards: %+v, %v", e, err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Error("Ping: ", err)
	}
	t.Logf("recovered after %v", time.Since(began).Round(time.Millisecond))
}

// closesWhole checks that all of the database is there when it was closed.
func closesWhole(t *testing.T, s *Store, waiting int64) {
	t.Helper()
	stats, err := s.Stats(t.Context())
	if err != nil || stats.Waiting != waiting {
		t.Errorf("%+v, %v; want %d waiting", stats, err, waiting)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	checkWhole(t, s.path)
}

// run runs a command that must succeed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// disk mounts a file system of so many megabytes and returns where.
func disk(t *testing.T, megabytes int) string {
	t.Helper()
	lab.Need(t, os.Getuid() == 0, "only root can mount a file system")
	dir := t.TempDir()
	if err := syscall.Mount("greyglass-test", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		lab.Need(t, false, "no file system can be mounted here: "+err.Error())
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fillUp takes what room is left, and returns what gives it back.
func fillUp(t *testing.T, dir string) (release func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return func() { os.Remove(name) }
}

func TestDiskFull(t *testing.T) {
	s, _ := openLogged(t, filepath.Join(disk(t, 8), "greyglass.db"))
	fill(t, s, 100)
	release := fillUp(t, filepath.Dir(s.path))
	full, failing := int64(100), time.Time{}
	for failing.IsZero() || time.Since(failing) < 3*time.Second { // a checkpoint may make room in the log once more
		_, err := within(t, s, longWait, full, storetest.Remember(greylist.Entry{FirstSeen: full}))
		switch {
		case err == nil:
			full, failing = full+1, time.Time{}
		case failing.IsZero():
			failing = time.Now()
		default:
			time.Sleep(10 * time.Millisecond)
		}
	}
	failsAtOnce(t, s, "full")
	stillKnown(t, s, 7)
	if err := s.Ping(t.Context()); err == nil {
		t.Error("Ping finds nothing wrong")
	}
	if n := s.Numbers(); n.Failed == 0 {
		t.Error("no failure was counted")
	}
	release()
	recovers(t, s, full)
	closesWhole(t, s, full+1)
}

// TestIOError: writes fail, as they do on a broken disk, by a limit of the size
// of files (setrlimit(2)); the log is already longer.
func TestIOError(t *testing.T) {
	// In a process of its own, since the limit holds for all that a process
	// writes, such as go test's own notes.
	if os.Getenv("SQLSTORE_LIMITED") == "" {
		child := exec.Command(os.Args[0], "-test.run=^TestIOError$", "-test.v")
		child.Env = append(os.Environ(), "SQLSTORE_LIMITED=1")
		if out, err := child.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestIOError")) {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	s, _ := openLogged(t, filepath.Join(t.TempDir(), "greyglass.db"))
	fill(t, s, 100)
	const fsize = 1 // RLIMIT_FSIZE
	var old syscall.Rlimit
	if err := syscall.Getrlimit(fsize, &old); err != nil {
		t.Fatal(err)
	}
	limit := func(bytes uint64) {
		if err := syscall.Setrlimit(fsize, &syscall.Rlimit{Cur: bytes, Max: old.Max}); err != nil {
			t.Fatal(err)
		}
	}
	defer func() { limit(old.Cur) }()
	limit(4096)
	failsAtOnce(t, s, "I/O error")
	stillKnown(t, s, 7)
	time.Sleep(3 * interval) // the database is reopened, to no avail
	failsAtOnce(t, s, "I/O error")
	stillKnown(t, s, 7)
	limit(old.Cur)
	recovers(t, s, 100)
	closesWhole(t, s, 101)
}

// device mounts a file system on a device of its own, and returns where, and
// the device's name.
func device(t *testing.T) (mounted, name string) {
	t.Helper()
	lab.Need(t, os.Getuid() == 0, "only root can mount a file system")
	for _, tool := range []string{"mkfs.ext4", "losetup", "mount"} {
		_, err := exec.LookPath(tool)
		lab.Need(t, err == nil, "there is no program "+tool)
	}
	dir := t.TempDir()
	image, mounted := filepath.Join(dir, "image"), filepath.Join(dir, "mounted")
	run(t, "truncate", "-s", "8M", image)
	run(t, "mkfs.ext4", "-q", "-F", "-O", "^has_journal", image)
	if err := os.Mkdir(mounted, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-o", "loop,errors=remount-ro", image, mounted).CombinedOutput(); err != nil {
		lab.Need(t, false, "no image can be mounted here: "+string(out))
	}
	t.Cleanup(func() { _ = syscall.Unmount(mounted, syscall.MNT_DETACH) })
	name, _, _ = strings.Cut(run(t, "losetup", "-j", image), ":")
	return mounted, name
}

// TestReadOnly: the kernel turns a file system read-only, as it does where that
// is damaged. It is put right by mounting another over it.
func TestReadOnly(t *testing.T) {
	mounted, device := device(t)
	s, j := openLogged(t, filepath.Join(mounted, "greyglass.db"))
	fill(t, s, 100)
	writeFile(t, filepath.Join("/sys/fs/ext4", filepath.Base(device), "trigger_fs_error"), []byte("a test"))
	failsAtOnce(t, s, "")
	stillKnown(t, s, 7)
	time.Sleep(3 * interval) // new connections are read-only from the beginning
	failsAtOnce(t, s, "")
	stillKnown(t, s, 7)

	fresh := t.TempDir()
	copied := filepath.Join(fresh, "greyglass.db")
	if err := s.Backup(t.Context(), copied, nil); err != nil {
		t.Error(err)
	}
	if err := syscall.Mount(fresh, mounted, "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(mounted, syscall.MNT_DETACH) })
	recovers(t, s, 100)
	if log := j.String(); !strings.Contains(log, "was replaced; using the one that is there now") {
		t.Errorf("log: %s", log)
	}
	closesWhole(t, s, 101)
}

// TestCannotReopen: while a database that failed cannot be opened again, what is known is
// answered over the connections that there are.
func TestCannotReopen(t *testing.T) {
	t.Parallel()
	s, _ := openLogged(t, filepath.Join(t.TempDir(), "greyglass.db"))
	fill(t, s, 100)
	s.writer.pause(t.Context(), func() { // as if reopen had failed
		s.writer.current.Store(&state{s.writer.current.Load().db, unusable(s.path, &fs.PathError{Op: "open", Path: s.path, Err: syscall.EMFILE})})
	})
	failsAtOnce(t, s, "too many open files")
	stillKnown(t, s, 7)
	s.writer.pause(t.Context(), func() { s.writer.suspect = true })
	recovers(t, s, 100)
	closesWhole(t, s, 101)
}

// TestStalled: while the disk keeps the writer waiting, those who need no write
// are answered, and no caller waits longer than its context.
func TestStalled(t *testing.T) {
	t.Parallel()
	s, _ := openLogged(t, filepath.Join(t.TempDir(), "greyglass.db"))
	fill(t, s, 100)
	began, end := make(chan struct{}), make(chan struct{})
	stalled := make(chan error)
	go func() {
		stalled <- s.writer.do(context.Background(), func(*tx) error {
			close(began)
			<-end
			return nil
		}, nil)
	}()
	<-began
	var wg sync.WaitGroup
	for i := range int64(3 * maxBatch) {
		wg.Go(func() {
			took, err := inTime(t, s, 1_000_000+i, storetest.Remember(greylist.Entry{FirstSeen: 1}))
			if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, new(*greylist.Fault)) || took > 20*time.Second {
				t.Errorf("%v after %v", err, took)
			}
		})
	}
	for i := range int64(20) {
		stillKnown(t, s, i)
	}
	wg.Wait()
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	if err := <-closed; err == nil {
		t.Error("Close finds nothing wrong")
	} else {
		t.Log(err)
	}
	close(end)
	if err := <-stalled; err != nil {
		t.Error(err)
	}
}

// TestAdviceAtOpening: what is said about a database that can't be opened or created
// fits the cause.
func TestAdviceAtOpening(t *testing.T) {
	for _, c := range []struct {
		errno      syscall.Errno
		text, fits string
	}{
		{syscall.ENOSPC, "no space left on device", "make room on its file system; then it goes on by itself"},
		{syscall.EDQUOT, "disk quota exceeded", "make room on its file system; then it goes on by itself"},
		{syscall.EROFS, "its folder must exist and be writable: read-only file system", writableAdvice + backend.ByItself},
		{syscall.ENOENT, "its folder must exist and be writable: no such file or directory", writableAdvice + backend.ByItself},
	} {
		var fault *greylist.Fault
		err := unusable("/db", reason(&fs.PathError{Op: "open", Path: "/.db.tmp", Err: c.errno}))
		if !errors.As(err, &fault) || fault.Error() != c.text || fault.Advice != c.fits {
			t.Errorf("%v: %v; %s", c.errno, err, fault.Advice)
		}
	}
}
