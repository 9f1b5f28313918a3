package sqlite

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/backend"
	"greyglass/sqlstore/storetest"
)

// childTask names, in the environment of the test program, what it does
// instead of testing; its arguments are those of the task.
const childTask = "SQLSTORE_TEST_CHILD"

func TestMain(m *testing.M) {
	tasks := map[string]func(args []string) error{
		"write": childWrite,
		"count": childCount,
		"open":  childOpen,
		"hold":  childHold,
		"lock":  childLock,
	}
	if task, ok := tasks[os.Getenv(childTask)]; ok {
		if err := task(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	interval /= 4 // so that nothing takes long
	os.Exit(m.Run())
}

// child starts this program again, to do a task as another process, which is
// killed if it still runs when the test ends. Its standard error is the test's.
func child(t *testing.T, task string, args ...string) (*exec.Cmd, io.Reader) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), childTask+"="+task)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, stdout
}

// childWrite remembers new triplets, from 16 callers, until it is killed, and
// prints the number of each, counted from one that is given, once that is
// acknowledged.
func childWrite(args []string) error {
	from, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	s, err := Open(context.Background(), "sqlite:"+args[0], backend.Options{Create: true, CacheTriplets: 1000})
	if err != nil {
		return err
	}
	var n atomic.Int64
	n.Store(from)
	var wg sync.WaitGroup
	var out sync.Mutex
	for range 16 {
		wg.Go(func() {
			for {
				i := n.Add(1)
				if err := storetest.Update(context.Background(), s, storetest.Numbered(i), storetest.Remember(greylist.Entry{FirstSeen: i})); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				out.Lock()
				fmt.Println(i)
				out.Unlock()
			}
		})
	}
	wg.Wait()
	return nil
}

// childCount adds to a triplet's count, from 8 callers, so many times each.
func childCount(args []string) error {
	times, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	s, err := Open(context.Background(), "sqlite:"+args[0], backend.Options{Create: true, CacheTriplets: 1000})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range times {
				if err := storetest.Count(context.Background(), s, storetest.Numbered(1)); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
			}
		})
	}
	wg.Wait()
	return s.Close()
}

// childOpen opens the database, creating it if need be, and closes it.
func childOpen(args []string) error {
	s, err := Open(context.Background(), "sqlite:"+args[0], backend.Options{Create: true, CacheTriplets: 1000})
	if err != nil {
		return err
	}
	return s.Close()
}

// childHold opens the database by SQLite alone, and keeps looking at it as it is.
func childHold(args []string) error {
	return childKeeps(args, `BEGIN; SELECT count(*) FROM triplet`)
}

// childLock takes the database's lock by SQLite alone, and keeps it.
func childLock(args []string) error { return childKeeps(args, `BEGIN EXCLUSIVE`) }

func childKeeps(args []string, statement string) error {
	keepLocks()
	conn, err := connect(context.Background(), dsn(args[0], "rw", "busy_timeout(60000)"))
	if err != nil {
		return err
	}
	if _, err := conn.ExecContext(context.Background(), statement); err != nil {
		return err
	}
	fmt.Println("kept")
	select {}
}
