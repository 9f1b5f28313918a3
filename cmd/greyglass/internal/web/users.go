package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"golang.org/x/crypto/bcrypt"

	"greyglass/cmd/greyglass/internal/fingerprint"
)

const (
	// maxUsersFile bounds the file, in octets.
	maxUsersFile = 1 << 20

	// maxCost bounds the work of one login to about half a second.
	maxCost = 13
)

// users are those of a file of htpasswd(1), which may change at any time.
type users struct {
	file string // empty: none
	log  *slog.Logger

	mu     sync.Mutex
	seen   fingerprint.Fingerprint
	read   bool // it was, at least once
	hashes map[string][]byte
	dummy  []byte // compared with the password of an unknown user, so that it takes as long
	failed string // the error of the last reading
}

// hash returns the bcrypt hash of a user, and whether there is such a user. For another,
// it returns a hash that takes as long to compare with.
func (u *users) hash(name string) (hash []byte, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refresh()
	if hash, ok = u.hashes[name]; ok {
		return hash, true
	}
	return u.dummy, false
}

// cost is the highest cost of the users' hashes.
func (u *users) cost() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	cost, _ := bcrypt.Cost(u.dummy)
	return cost
}

// refresh reads the file if it has changed.
func (u *users) refresh() {
	now := fingerprint.Of(u.file)
	if u.read && now == u.seen && u.failed == "" {
		return
	}
	hashes, cost, err := readUsers(u.file)
	u.seen, u.read, u.hashes = now, true, hashes
	if err != nil && err.Error() != u.failed {
		u.log.Error(eventUsersFailed, "file", u.file, "error", err)
	}
	if err == nil && u.failed != "" {
		u.log.Info(eventUsersRecovered, "file", u.file)
	}
	u.failed = ""
	if err != nil {
		u.failed = err.Error()
	}
	if was, _ := bcrypt.Cost(u.dummy); was != cost {
		u.dummy, _ = bcrypt.GenerateFromPassword([]byte("nobody has this one"), cost)
	}
}

// readUsers reads a file of users, and the highest cost of its hashes.
func readUsers(file string) (hashes map[string][]byte, cost int, err error) {
	cost = bcrypt.MinCost
	f, err := os.Open(file)
	if err != nil {
		return nil, cost, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxUsersFile+1))
	switch {
	case err != nil:
		return nil, cost, err
	case len(text) > maxUsersFile:
		return nil, cost, fmt.Errorf("%s is larger than %d octets", file, maxUsersFile)
	}
	hashes = make(map[string][]byte)
	number := 0
	for line := range bytes.Lines(text) {
		number++
		entry := strings.TrimSpace(string(line))
		if entry == "" || entry[0] == '#' {
			continue
		}
		name, hash, err := parseUser(entry)
		if err != nil {
			return nil, bcrypt.MinCost, fmt.Errorf("%s:%d: %w", file, number, err)
		}
		hashes[name] = hash
		itsCost, _ := bcrypt.Cost(hash)
		cost = max(cost, itsCost)
	}
	return hashes, cost, nil
}

// parseUser reads a line.
func parseUser(entry string) (name string, hash []byte, err error) {
	name, text, ok := strings.Cut(entry, ":")
	if !ok || name == "" {
		return "", nil, errors.New(`not NAME:HASH; make the file by "htpasswd -B"`)
	}
	if name != printable(name) || len(name) > maxName {
		return "", nil, errors.New("the name of a user has control characters, or is too long")
	}
	cost, err := bcrypt.Cost([]byte(text))
	switch {
	case err != nil:
		return "", nil, fmt.Errorf(`the password of %s is no bcrypt hash; set it by "htpasswd -B"`, name)
	case cost > maxCost:
		return "", nil, fmt.Errorf("the bcrypt hash of %s has cost %d; at most %d is allowed, since each login takes twice the time", name, cost, maxCost)
	}
	return name, []byte(text), nil
}
