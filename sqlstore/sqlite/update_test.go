package sqlite

import (
	"testing"

	"greyglass/greylist"
)

// Where the writer is held up after it has committed, but before it says so, the
// change is not asked about what it has written itself: its answer would be that
// to a second knock.
func TestUpdateIsAskedOnce(t *testing.T) {
	asked := 0
	u := &update{change: func(remembered *greylist.Entry) (greylist.Entry, bool) {
		asked++
		return greylist.Entry{FirstSeen: 1, LastSeen: 1}, true
	}}
	if _, write := u.decide(nil); !write {
		t.Fatal("not to be written")
	}
	if u.keeps(&greylist.Entry{FirstSeen: 1, LastSeen: 1}) || asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	u.undone() // so what the readers see counts again
	if u.keeps(nil); asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}
