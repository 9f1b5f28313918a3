package doctor

import (
	"io/fs"
	"testing"
)

func TestMayOpen(t *testing.T) {
	const owner, group = 115, 115
	folder := func(mode fs.FileMode) place { return place{"/run/greyglass", fs.ModeDir | mode, owner, group} }
	socket := func(mode fs.FileMode) place { return place{"/run/greyglass/s", fs.ModeSocket | mode, owner, group} }
	top := place{"/", fs.ModeDir | 0o755, 0, 0}
	other, member := account{"x", 200, []int{200}}, account{"y", 201, []int{201, group}}
	for _, c := range []struct {
		name   string
		folder fs.FileMode
		socket fs.FileMode
		who    account
		stops  string
	}{
		{"everybody", 0o755, 0o666, other, ""},
		{"a member", 0o750, 0o660, member, ""},
		{"another user at a closed folder", 0o750, 0o666, other, "/run/greyglass"},
		{"another user at a socket of the group", 0o755, 0o660, other, "/run/greyglass/s"},
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
		t.Error("there is an account nobody")
	}
}

// A fix must fit what denies the access. Under the package's units only one works:
// their user joins the sockets' group.
func TestSocketFixes(t *testing.T) {
	const joins = "'adduser Debian-exim greyglass' and restart Exim"
	places := func(folder, socket fs.FileMode, gid int) route {
		return route{{"/run/greyglass", fs.ModeDir | folder, 114, gid}, {"/run/greyglass/milter.sock", fs.ModeSocket | socket, 114, gid}}
	}
	for _, c := range []struct {
		at   route
		want string // empty: all is right
		fix  string
	}{
		{places(0o755, 0o666, 115), "", ""},
		{places(0o750, 0o660, 115), "wrong: may not go through /run/greyglass (mode 0750", joins},
		{places(0o700, 0o660, 115), "wrong: may not go through /run/greyglass (mode 0700", "'chmod o+x /run/greyglass'"},
		{places(0o755, 0o660, 115), "wrong: may not write to it (mode 0660", joins},
		{places(0o755, 0o600, 115), "wrong: may not write to it (mode 0600", `set listen.socket_mode to "0660" and restart Greyglass; then ` + joins},
		{places(0o755, 0o660, 0), "wrong: may not write to it (mode 0660", "set listen.socket_group to a group of Debian-exim, such as Debian-exim, and restart Greyglass"},
	} {
		var found []Finding
		v := &exam{Subject: subject(t, nil, nil), report: func(f Finding) { found = append(found, f) }}
		a, _ := v.Machine.account("Debian-exim")
		v.checkAccess(c.at, a, "Exim")
		if c.want == "" {
			wantOK(t, found, "may open /run/greyglass/milter.sock")
			continue
		}
		if wantProblems(t, found, c.want); found[0].Fix != c.fix {
			t.Errorf("%s: the fix is %q, want %q", c.want, found[0].Fix, c.fix)
		}
	}
}
