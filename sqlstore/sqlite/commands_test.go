package sqlite

import (
	"os"
	"path/filepath"
	"testing"

	"greyglass/greylist"
)

// TestCommandLoggedOnce: a command is logged once, although its removal is tried again: the
// write-ahead log is deleted before the commit.
func TestCommandLoggedOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "greyglass.db")
	s := open(t, path)
	defer s.Close()
	if err := s.RecordCommand(t.Context(), greylist.Command{At: 1, Words: "pass"}); err != nil {
		t.Fatal(err)
	}
	logged := 0
	err := s.LogCommands(t.Context(), func(greylist.Command) {
		logged++
		if err := os.Remove(walOf(path)); err != nil {
			t.Error(err)
		}
	})
	if err != nil || logged != 1 {
		t.Errorf("logged %d times: %v", logged, err)
	}
}
