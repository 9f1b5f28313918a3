package main

import (
	"greyglass/cmd/greyglass/internal/config"
	"greyglass/greylist/rules"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greyglass/greylist"
)

// An edit takes effect within this time. A slow machine, on which much else runs,
// is given more.
const (
	editBudget = 2 * time.Second
	slowness   = 3 * time.Second
)

// takesEffect waits until mail of the sender is denied, or is not any more.
func (s *site) takesEffect(sender, recipient string, denied bool) {
	s.t.Helper()
	took := eventually(s.t, "the edit takes effect for "+sender, func() bool {
		return (s.ask("203.0.113.7", sender, recipient).Verdict == greylist.Deny) == denied
	})
	if took > editBudget+slowness {
		s.t.Errorf("the edit took %v to take effect, the budget is %v", took, editBudget)
	}
}

// rename writes a file as editors do: beside it, and then in its place.
func (s *site) rename(name, text string) {
	s.t.Helper()
	s.write(name+".new", text)
	if err := os.Rename(s.path(name+".new"), s.path(name)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) remove(name string) {
	s.t.Helper()
	if err := os.Remove(s.path(name)); err != nil {
		s.t.Fatal(err)
	}
}

const notRead = "cannot read the list; keeping the previous one"

func TestListFileEdits(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"blocked.action": `"deny"`})
	daemon := s.serve()

	s.write("blocked.list", "one@example.net\n") // in place
	s.takesEffect("one@example.net", "bob@example.org", true)
	s.write("blocked.list", "two@example.net\n") // of the same length
	s.takesEffect("two@example.net", "bob@example.org", true)
	s.takesEffect("one@example.net", "bob@example.org", false)
	s.rename("blocked.list", "# all\n@example.net\n")
	s.takesEffect("three@example.net", "bob@example.org", true)
	s.rename("exceptions.list", "abuse\n")
	s.takesEffect("three@example.net", "abuse@example.org", false)
	s.takesEffect("three@example.net", "bob@example.org", true)
	s.write("exceptions.list", "")
	s.takesEffect("three@example.net", "abuse@example.org", true)
	s.write("blocked.list", "")
	s.takesEffect("three@example.net", "bob@example.org", false)
	if lines := daemon.find(notRead); len(lines) != 0 {
		t.Errorf("%v", lines)
	}
	daemon.wait("list reloaded", s.path("exceptions.list"))
}

// A list whose file is removed stays in use, whether or not the daemon is told
// to reload its configuration meanwhile, until it is back.
func TestListFileRemoved(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"blocked.action": `"deny"`})
	s.write("blocked.list", "one@example.net\n")
	daemon := s.serve()

	s.remove("blocked.list")
	daemon.wait(notRead, s.path("blocked.list"), "file does not exist")
	s.takesEffect("one@example.net", "bob@example.org", true)
	daemon.reload()
	s.takesEffect("one@example.net", "bob@example.org", true)
	if lines := daemon.find("so the list is empty"); len(lines) != 0 {
		t.Errorf("%v", lines)
	}

	s.write("blocked.list", "two@example.net\n")
	s.takesEffect("two@example.net", "bob@example.org", true)
	s.takesEffect("one@example.net", "bob@example.org", false)
	// Once by itself, and once because of the reload.
	if lines := daemon.find(notRead); len(lines) != 2 {
		t.Errorf("%d lines: %v", len(lines), lines)
	}

	// A file that was never there is an empty list, also after a reload, and may come.
	s.configure(conf{"blocked.action": `"deny"`, "blocked.senders_file": `"later.list"`})
	daemon.reload()
	daemon.wait("later.list", "so the list is empty")
	s.takesEffect("two@example.net", "bob@example.org", false)
	s.write("later.list", "two@example.net\n")
	s.takesEffect("two@example.net", "bob@example.org", true)
}

func TestListFileBroken(t *testing.T) {
	t.Parallel()
	s := newSite(t, conf{"blocked.action": `"deny"`})
	s.write("blocked.list", "one@example.net\n")
	daemon := s.serve()

	s.rename("blocked.list", "# new\ntwo@example.net\nthree\n\nfour four@example.net\n")
	for _, where := range []string{":3: ", ":5: "} {
		line := daemon.wait(notRead, s.path("blocked.list")+where)
		if line.str("level") != "ERROR" || !strings.HasPrefix(line.str("error"), s.path("blocked.list")+where) {
			t.Errorf("%v", line)
		}
	}
	s.takesEffect("one@example.net", "bob@example.org", true)
	s.takesEffect("two@example.net", "bob@example.org", false)

	// The other list is none the worse.
	s.write("exceptions.list", "abuse\n")
	s.takesEffect("one@example.net", "abuse@example.org", false)

	s.rename("blocked.list", "two@example.net\n")
	s.takesEffect("two@example.net", "bob@example.org", true)
	s.takesEffect("one@example.net", "bob@example.org", false)
	if lines := daemon.find(notRead); len(lines) != 2 {
		t.Errorf("each bad line is to be named once: %v", lines)
	}

	// The same again is new.
	s.rename("blocked.list", "three\n")
	daemon.wait(notRead, s.path("blocked.list")+":1: ")
	s.takesEffect("two@example.net", "bob@example.org", true)
	s.write("blocked.list", "")
	s.takesEffect("two@example.net", "bob@example.org", false)
}

// An edit that leaves size and time as they were is found once the file is older
// than what times tell apart.
func TestListFileSettles(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	f := listFile{ListFile: config.ListFile{Key: "blocked.senders_file", ListFile: rules.ListFile{Kind: rules.SenderList, File: s.path("blocked.list")}}}
	if f.begin(); f.gone() {
		t.Error("a file that is there is gone")
	}
	began := time.Now()
	s.write("blocked.list", "one@example.net\n")
	eventually(t, "the edit is seen", func() bool { edited, _ := f.poll(); return edited })
	if took := time.Since(began); took < writing*3/4 {
		t.Errorf("the edit is seen after %v, when more may be on its way", took)
	}
	if edited, settled := f.poll(); edited || settled {
		t.Errorf("unchanged: edited %t, settled %t", edited, settled)
	}
	eventually(t, "the file has settled", func() bool {
		edited, settled := f.poll()
		if edited {
			t.Error("reported as edited, but it was not")
		}
		return settled
	})
	if edited, settled := f.poll(); edited || settled {
		t.Errorf("settled before: edited %t, settled %t", edited, settled)
	}
	if list, err := f.read(); err != nil || list.Len() == 0 {
		t.Errorf("read: %v, %v", list, err)
	}

	// One that is empty is given more time: an editor may have to fill it yet.
	began = time.Now()
	s.write("blocked.list", "")
	if list, err := f.read(); err != errChanged {
		t.Errorf("read while it is written: %v, %v", list, err)
	}
	again := listFile{ListFile: f.ListFile}
	if again.begin(); !again.unfinished() && time.Since(began) < settleAfter/2 {
		t.Error("a reload takes the file for one that shall be empty")
	}
	eventually(t, "the edit is seen", func() bool { edited, _ := f.poll(); return edited })
	if took := time.Since(began); took < settleAfter*3/4 {
		t.Errorf("the file is taken to be empty after %v, when more may be on its way", took)
	}
	s.remove("blocked.list")
	if edited, settled := f.poll(); !edited || settled || !f.gone() {
		t.Errorf("removed: edited %t, settled %t, gone %t", edited, settled, f.gone())
	}
}

// TestHalfWrittenList: a write that pauses in the middle of a line, or after the file
// was emptied, changes nothing for some seconds; one that ends its line is read at once.
func TestHalfWrittenList(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "blocked.list")
	for _, c := range []struct {
		name, text string
		waits      bool
	}{
		{"half a line", "@example.net\n@innocent.ex", true},
		{"emptied", "", true},
		{"whole lines", "@example.net\n@innocent.example\n", false},
	} {
		if err := os.WriteFile(path, []byte("@example.net\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		file := &listFile{ListFile: config.ListFile{Key: "blocked.senders_file", ListFile: rules.ListFile{Kind: rules.SenderList, File: path}}}
		file.begin()
		written := time.Now().Add(-10 * time.Millisecond) // the kernel's clock of files is coarse
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		edited := false
		for !edited {
			time.Sleep(20 * time.Millisecond)
			edited, _ = file.poll()
		}
		if took := time.Since(written); (took >= unfinishedAfter) != c.waits && took < unfinishedAfter+slowness {
			t.Errorf("%s: read after %s", c.name, took)
		}
	}
}
