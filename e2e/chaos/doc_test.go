// Package chaos tries hard to break the real program. TestChaos runs the
// daemon under the load of many mail servers while its disk, its clock, its
// configuration and its life are interfered with from outside, and compares
// each answer with a model of its own of the rules, and the database with what
// was answered. TestLeak looks for what sessions leave behind.
//
// "make chaos" runs it for minutes, and CHAOSTIME=2h for hours; a plain "go test"
// for seconds. A failure prints the seed of its schedule:
//
//	go test ./e2e/chaos -args -for 3m -seed 7
//
// The way of one question: a [worker] leases a [correspondent], asks through
// [milterConn] or [policyConn], and hands what it got to the [checker], which
// knows by the [model] what may have been answered. The [injector] makes the
// faults, and notes in the checker's [weather] when they were there.
package chaos

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"greyglass/e2e/build"
)

var (
	duration = flag.Duration("for", 8*time.Second, "how long TestChaos injects faults")
	seed     = flag.Int64("seed", 1, "the seed of its schedule")
	sessions = flag.Int("sessions", 50_000, "how many sessions TestLeak makes")
)

// withHook is the program under test as the chaos build makes it, released as it is
// shipped, without the hook of the clock.
var withHook, released string

func TestMain(m *testing.M) { os.Exit(buildAndTest(m)) }

func buildAndTest(m *testing.M) int {
	flag.Parse()
	enterNamespace()
	dir, err := os.MkdirTemp("", "greyglass-chaos-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	withHook, released = filepath.Join(dir, "chaos"), filepath.Join(dir, "greyglass")
	if err := errors.Join(build.Program(withHook, "-tags", "chaos"), build.Program(released)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
