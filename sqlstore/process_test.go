package sqlstore

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

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
				if err := storetest.Count(t.Context(), s, numbered(1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	e, err := s.Get(t.Context(), numbered(1))
	if err != nil || e == nil || e.Deferred != 2*callers*each {
		t.Errorf("counted %+v, %v; want %d", e, err, 2*callers*each)
	}
}

// TestKill: what was acknowledged survives the death of the process in the
// middle of its work.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "greyglass.db")
	for round := range 3 {
		cmd, stdout := child(t, "write", path)
		acknowledged := make(map[int64]bool)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			n, err := strconv.ParseInt(lines.Text(), 10, 64)
			if err != nil {
				break // cut off by the kill
			}
			acknowledged[n] = true
			if len(acknowledged) == 500*(round+1) {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // killed
		if len(acknowledged) < 500 {
			t.Fatalf("only %d were acknowledged", len(acknowledged))
		}
		s := open(t, path)
		for n := range acknowledged {
			e, err := s.Get(t.Context(), numbered(n))
			if err != nil || e == nil || e.FirstSeen != n {
				t.Fatalf("of the acknowledged %d is left: %+v, %v", n, e, err)
			}
		}
		if err := s.Update(t.Context(), numbered(0), remember(greylist.Entry{FirstSeen: 1})); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		checkWhole(t, path)
	}
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
				if err := s.Update(t.Context(), numbered(int64(i)), remember(greylist.Entry{FirstSeen: 1})); err != nil {
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
