package lab

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Stop ends the daemon and the sessions that it started.
func TestStopLeavesNoProcess(t *testing.T) {
	each(t, allMTAs, func(t *testing.T, mta MTA) {
		mx := Start(t, mta, Options{Auth: true})
		c := Dial(t, "203.0.113.7", mx.Addr4)
		expect(t, "EHLO", c.Ehlo("client.test"), 250, "")
		expect(t, "MAIL", c.Mail("alice@sender.test"), 250, "")
		if n := len(processesOf(mx.Dir)); n < 2 {
			t.Fatalf("%d processes with a session open, want the daemon and more", n)
		}
		mx.Stop()
		if left := processesOf(mx.Dir); len(left) > 0 {
			t.Errorf("processes %v are left", left)
		}
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", mx.Pid)); err == nil {
			t.Errorf("daemon %d is left", mx.Pid)
		}
		if listening(mx.Port) {
			t.Error("the port is still open")
		}
		if r := c.Rcpt("bob@example.test"); r.OK() {
			t.Errorf("the session goes on: %q", r)
		}
		mx.Stop() // a second time does nothing
	})
}

// A test process that is interrupted ends its MTA itself; one that is killed leaves
// it running, and the next Prepare ends it. This test runs its own program again
// as the one that is to end.
func TestSignalled(t *testing.T) {
	if os.Getenv("GREYGLASS_LAB_TO_BE_ENDED") == "1" {
		mx := Start(t, Postfix, Options{})
		fmt.Println("instance", mx.Dir)
		time.Sleep(time.Hour) // until the signal
		return
	}
	Require(t)
	for _, c := range []struct {
		signal os.Signal
		left   bool
		exit   int // -1: by the signal itself
	}{
		{syscall.SIGTERM, false, 128 + 15},
		{syscall.SIGINT, false, 128 + 2},
		{syscall.SIGKILL, true, -1},
	} {
		t.Run(c.signal.String(), func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestSignalled$")
			cmd.Env = append(os.Environ(), "GREYGLASS_LAB_TO_BE_ENDED=1")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var dir string
			for in := bufio.NewScanner(out); dir == "" && in.Scan(); {
				dir, _ = strings.CutPrefix(in.Text(), "instance ")
			}
			cmd.Process.Signal(c.signal)
			cmd.Wait()
			if !strings.HasPrefix(dir, runDir()) {
				t.Fatalf("no instance started: %q", dir)
			}
			defer os.RemoveAll(dir)
			if exit := cmd.ProcessState.ExitCode(); exit != c.exit {
				t.Errorf("exit code %d, want %d", exit, c.exit)
			}
			if left := processesOf(dir); (len(left) > 0) != c.left {
				t.Errorf("processes %v are left; want some: %v", left, c.left)
			}
			if err := Prepare(); err != nil {
				t.Fatal(err)
			}
			if left := processesOf(dir); len(left) > 0 {
				t.Errorf("processes %v are left after Prepare", left)
			}
		})
	}
}
