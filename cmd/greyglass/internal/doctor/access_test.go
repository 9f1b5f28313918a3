package doctor

import (
	"io/fs"
	"os"
	"testing"
)

func TestMayOpen(t *testing.T) {
	const owner, group = 115, 115
	folder := func(mode fs.FileMode) place { return place{"/run/greyglass", fs.ModeDir | mode, owner, group} }
	socket := func(mode fs.FileMode) place { return place{"/run/greyglass/s", fs.ModeSocket | mode, owner, group} }
	top := place{"/", fs.ModeDir | 0o755, 0, 0}
	stranger, member := account{"x", 200, []int{200}}, account{"y", 201, []int{201, group}}
	for _, c := range []struct {
		name   string
		folder fs.FileMode
		socket fs.FileMode
		who    account
		stops  string
	}{
		{"everybody", 0o755, 0o666, stranger, ""},
		{"a member", 0o750, 0o660, member, ""},
		{"a stranger at a closed folder", 0o750, 0o666, stranger, "/run/greyglass"},
		{"a stranger at a socket of the group", 0o755, 0o660, stranger, "/run/greyglass/s"},
		{"a member at a socket of its owner", 0o755, 0o600, member, "/run/greyglass/s"},
		{"a member whom the group's bits shut out", 0o755, 0o606, member, "/run/greyglass/s"},
		{"the owner", 0o700, 0o600, account{"z", owner, []int{1}}, ""},
		{"the owner, shut out", 0o700, 0o066, account{"z", owner, []int{1}}, "/run/greyglass/s"},
		{"root", 0o000, 0o000, account{"root", 0, []int{0}}, ""},
	} {
		at, stopped := route{top, folder(c.folder), socket(c.socket)}.stops(c.who)
		if stopped != (c.stops != "") || stopped && at.path != c.stops {
			t.Errorf("%s: stopped %v at %s, want %q", c.name, stopped, at.path, c.stops)
		}
	}
}

func TestAccounts(t *testing.T) {
	m := subject(t, nil, nil).Machine
	a, ok := m.account("postfix")
	if !ok || a.uid != 107 || len(a.groups) != 2 || a.groups[0] != 112 || a.groups[1] != 115 {
		t.Errorf("postfix: %+v, %v", a, ok)
	}
	if a, ok := m.account("108"); !ok || a.name != "Debian-exim" {
		t.Errorf("108: %+v, %v", a, ok)
	}
	if _, ok := m.account("nobody"); ok {
		t.Error("there is a nobody")
	}
}

// A fix must fit what denies the access.
func TestSocketMends(t *testing.T) {
	s := subject(t, nil, nil)
	look := func() []Finding {
		var found []Finding
		v := &exam{Subject: s, report: func(f Finding) { found = append(found, f) }}
		v.checkSocket("/run/greyglass/milter.sock", "Exim", "Debian-exim")
		return found
	}
	chmod := func(name string, mode os.FileMode) {
		if err := os.Chmod(s.Machine.path(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	wantOK(t, look(), "may open")
	chmod("/run/greyglass/milter.sock", 0o600)
	wantProblems(t, look(), "wrong: may not open /run/greyglass/milter.sock: user Debian-exim may not write to it (mode 0600")
	chmod("/run/greyglass/milter.sock", 0o660)
	wantProblems(t, look(), "wrong: may not open /run/greyglass/milter.sock: user Debian-exim may not write to it (mode 0660")
	chmod("/run/greyglass", 0o700)
	wantProblems(t, look(), "wrong: may not open /run/greyglass/milter.sock: user Debian-exim may not go through /run/greyglass (mode 0700")
	chmod("/run/greyglass", 0o755)
}
