package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// accessAdvice says who may open the database or the socket that the user may not; empty if
// the error is another one.
func accessAdvice(err error) string {
	if !errors.Is(err, fs.ErrPermission) {
		return ""
	}
	path := ""
	var file *fs.PathError
	var dial *net.OpError
	switch {
	case errors.As(err, &file):
		path = file.Path
	case errors.As(err, &dial) && dial.Addr != nil && dial.Addr.Network() == "unix":
		path = dial.Addr.String()
	default:
		return ""
	}
	owner, group, err := ownerOf(path)
	if err != nil {
		return ""
	}
	advice := fmt.Sprintf("; run it as the user %s (sudo -u %[1]s greyglass ...)", owner)
	if file == nil || file.Op != "write" { // who may only read has the group already
		advice += fmt.Sprintf(", or as a member of the group %s if the mode allows that", group)
	}
	return advice
}

// ownerOf names the owner and the group of a file or, if it is out of reach, of the folder
// that is not open.
func ownerOf(path string) (owner, group string, err error) {
	info, err := os.Stat(path)
	for errors.Is(err, fs.ErrPermission) && path != filepath.Dir(path) {
		path = filepath.Dir(path)
		info, err = os.Stat(path)
	}
	if err != nil {
		return "", "", err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", "", errors.ErrUnsupported
	}
	owner, group = "#"+strconv.Itoa(int(st.Uid)), "#"+strconv.Itoa(int(st.Gid))
	if u, err := user.LookupId(owner[1:]); err == nil {
		owner = u.Username
	}
	if g, err := user.LookupGroupId(group[1:]); err == nil {
		group = g.Name
	}
	return owner, group, nil
}
