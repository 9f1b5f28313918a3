package sqlite

import (
	"bufio"
	"maps"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"greyglass/greylist"
	"greyglass/sqlstore/storetest"
)

// TestTwoProcesses: two processes that update the same triplet lose nothing.
func TestTwoProcesses(t *testing.T) {
	const callers, each = 8, 50
	s := openNew(t)
	cmd, stdout := child(t, "count", s.path, strconv.Itoa(each))
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				if err := storetest.Count(t.Context(), s, storetest.Numbered(1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	e, err := s.Get(t.Context(), storetest.Numbered(1))
	if err != nil || e == nil || e.Deferred != 2*callers*each {
		t.Errorf("counted %+v, %v; want %d", e, err, 2*callers*each)
	}
}

// TestKill: what was acknowledged survives the death of the process, at any
// moment of its work: while it opens the database, writes, makes a checkpoint.
func TestKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "greyglass.db")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	moments := rand.New(rand.NewPCG(seed, 0))
	acknowledged := make(map[int64]bool)
	for round := range 12 {
		latest := 150 * time.Millisecond
		if round%4 == 3 {
			latest = 2500 * time.Millisecond // also after checkpoints
		}
		cmd, stdout := child(t, "write", path, strconv.Itoa(1_000_000*(round+1)))
		time.AfterFunc(time.Duration(moments.Int64N(int64(latest))), func() { _ = cmd.Process.Kill() })
		var last int64
		lines := bufio.NewReader(stdout)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				break // of a line that was cut off, nothing is known
			}
			if last, err = strconv.ParseInt(strings.TrimSpace(line), 10, 64); err != nil {
				t.Fatal(err)
			}
			acknowledged[last] = true
		}
		_ = cmd.Wait() // killed
		s := open(t, path)
		missing := maps.Clone(acknowledged)
		for r, err := range s.List(t.Context(), greylist.Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			delete(missing, r.FirstSeen)
		}
		if len(missing) > 0 {
			t.Fatalf("of %d acknowledged, %d are lost", len(acknowledged), len(missing))
		}
		if err := storetest.Update(t.Context(), s, storetest.Numbered(0), storetest.Remember(greylist.Entry{FirstSeen: 1})); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		checkWhole(t, path)
	}
	if len(acknowledged) < 100 {
		t.Errorf("only %d were acknowledged: that tests little", len(acknowledged))
	}
	t.Logf("%d acknowledged", len(acknowledged))
}

// TestCreationRace: of those that start at once, all use the same database.
func TestCreationRace(t *testing.T) {
	for _, empty := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "greyglass.db")
		if empty {
			writeFile(t, path, nil)
		}
		var children []*exec.Cmd
		for range 3 {
			cmd, _ := child(t, "open", path)
			children = append(children, cmd)
		}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				s := open(t, path)
				if err := storetest.Update(t.Context(), s, storetest.Numbered(int64(i)), storetest.Remember(greylist.Entry{FirstSeen: 1})); err != nil {
					t.Error(err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, cmd := range children {
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		}
		s := open(t, path)
		stats, err := s.Stats(t.Context())
		if err != nil || stats.Waiting != 8 {
			t.Errorf("%+v, %v; want 8 waiting", stats, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		onlyFile(t, path)
		checkWhole(t, path)
	}
}
