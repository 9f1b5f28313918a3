package doctor

import (
	"slices"
	"strconv"
	"strings"
)

// account is a user of the machine that a program runs as.
type account struct {
	name   string
	uid    int
	groups []int // the primary group first
}

// account finds a user by name or number. Only local users are known.
func (m Machine) account(user string) (account, bool) {
	for _, fields := range m.table("/etc/passwd", 4) {
		uid, err1 := strconv.Atoi(fields[2])
		gid, err2 := strconv.Atoi(fields[3])
		if err1 != nil || err2 != nil || fields[0] != user && fields[2] != user {
			continue
		}
		a := account{fields[0], uid, []int{gid}}
		for _, group := range m.table("/etc/group", 4) {
			number, err := strconv.Atoi(group[2])
			if err == nil && slices.Contains(strings.Split(group[3], ","), a.name) {
				a.groups = append(a.groups, number)
			}
		}
		return a, true
	}
	return account{}, false
}

// userName and groupName return the number if there is no name.
func (m Machine) userName(uid int) string  { return m.nameIn("/etc/passwd", uid) }
func (m Machine) groupName(gid int) string { return m.nameIn("/etc/group", gid) }

func (m Machine) nameIn(file string, number int) string {
	for _, fields := range m.table(file, 3) {
		if fields[2] == strconv.Itoa(number) {
			return fields[0]
		}
	}
	return strconv.Itoa(number)
}

// table reads the lines of passwd(5) or group(5) that have at least so many fields.
func (m Machine) table(file string, columns int) (lines [][]string) {
	text, _ := m.readFile(file)
	for line := range strings.Lines(text) {
		if fields := strings.Split(strings.TrimSpace(line), ":"); len(fields) >= columns {
			lines = append(lines, fields)
		}
	}
	return lines
}
