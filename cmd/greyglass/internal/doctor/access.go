package doctor

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// place is a file, or a folder on the path to it.
type place struct {
	path     string
	mode     fs.FileMode
	uid, gid int
}

// Permissions, as in the last three bits of a mode. To connect to a socket, a process
// needs the permission to write (unix(7)).
const (
	mayWalk  = 1 // through a folder
	mayWrite = 2
)

// lets reports whether a place's owner and mode permit the account what. It ignores
// access control lists.
func (p place) lets(a account, what fs.FileMode) bool {
	switch {
	case a.uid == 0:
		return true
	case p.uid == a.uid:
		return p.mode.Perm()>>6&what == what
	case slices.Contains(a.groups, p.gid):
		return p.mode.Perm()>>3&what == what
	}
	return p.mode.Perm()&what == what
}

// route is a path: the folders from the root to a file, and the file itself.
type route []place

func (w route) end() place       { return w[len(w)-1] }
func (w route) folders() []place { return w[:len(w)-1] }

// stops returns the first place that does not let the account through.
func (w route) stops(a account) (at place, stopped bool) {
	for _, folder := range w.folders() {
		if !folder.lets(a, mayWalk) {
			return folder, true
		}
	}
	return w.end(), !w.end().lets(a, mayWrite)
}

// routeTo returns the route to a file, with symbolic links resolved.
func (m Machine) routeTo(path string) (route, error) {
	real, err := filepath.EvalSymlinks(m.path(path))
	if err != nil {
		return nil, err
	}
	top := filepath.Join("/", m.Root)
	var w route
	for at := real; ; at = filepath.Dir(at) {
		p, err := placeAt(at)
		if err != nil {
			return nil, err
		}
		p.path = filepath.Join("/", strings.TrimPrefix(at, top))
		w = append(w, p)
		if at == top || at == "/" {
			slices.Reverse(w)
			return w, nil
		}
	}
}

func placeAt(path string) (place, error) {
	info, err := os.Stat(path)
	if err != nil {
		return place{}, err
	}
	p := place{path: path, mode: info.Mode()}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		p.uid, p.gid = int(owner.Uid), int(owner.Gid)
	}
	return p, nil
}

// inWords describes a place's mode, user and group.
func (m Machine) inWords(p place) string {
	return fmt.Sprintf("mode %04o, user %s, group %s", p.mode.Perm(), m.userName(p.uid), m.groupName(p.gid))
}

// checkSocket checks whether a mail server that runs as this user may connect to a unix
// socket of the daemon.
func (v *exam) checkSocket(path, server, user string) {
	a, known := v.Machine.account(user)
	if !known {
		v.warn("see whether "+server+" can open "+path, "it works as user %s, who is not in /etc/passwd, so it is not known whether it may open %s", user, path)
		return
	}
	w, err := v.Machine.routeTo(path)
	if err != nil {
		return // checkDaemon has reported it
	}
	v.checkAccess(w, a, server)
}

// checkAccess checks whether an account may connect to the socket at the end of a route.
func (v *exam) checkAccess(w route, a account, server string) {
	path := w.end().path
	at, stopped := w.stops(a)
	switch {
	case !stopped:
		v.ok("may open %s (as user %s)", path, a.name)
	case at.mode.IsDir():
		fix := v.Machine.join(a, at, server)
		if at.gid == 0 || at.mode.Perm()&0o010 == 0 {
			fix = "'chmod o+x " + at.path + "'"
		}
		v.wrong(fix, "may not open %s: user %s may not go through %s (%s)", path, a.name, at.path, v.Machine.inWords(at))
	default:
		fix := v.Machine.join(a, at, server)
		if at.mode.Perm()&0o020 == 0 {
			fix = `set listen.socket_mode to "0660" and restart Greyglass; then ` + fix
		}
		v.wrong(fix, "may not open %s: user %s may not write to it (%s)", path, a.name, v.Machine.inWords(at))
	}
}

// join suggests how an account gets the permissions of a socket's or folder's group,
// which also works in the sandbox of the package's units. No account should be in root's
// group.
func (m Machine) join(a account, at place, server string) string {
	if at.gid == 0 {
		return fmt.Sprintf("set listen.socket_group to a group of %s, such as %s, and restart Greyglass", a.name, m.groupName(a.groups[0]))
	}
	return fmt.Sprintf("'adduser %s %s' and restart %s", a.name, m.groupName(at.gid), server)
}
