package sqlstore

import (
	"testing"
)

// TestSynchronous: what is asked for is what the writer's connection does, also
// when it was opened anew.
func TestSynchronous(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		synchronous string
		want        int64 // sqlite.org/pragma.html#pragma_synchronous
	}{{"", 2}, {Full, 2}, {Normal, 1}} {
		path := t.TempDir() + "/greyglass.db"
		opened, err := Open(t.Context(), "sqlite:"+path, Options{Create: true, Synchronous: c.synchronous})
		if err != nil {
			t.Fatal(err)
		}
		s := opened.(*store)
		check := func() {
			t.Helper()
			var got, writing int64
			db := s.writer.now.Load().db
			ask, err := db.writing.prepare(`PRAGMA synchronous`)
			if err == nil {
				_, err = ask.first([]*int64{&writing})
				_ = ask.Close()
			}
			if err != nil || writing != c.want {
				t.Errorf("%q: %d, %v; want %d", c.synchronous, writing, err, c.want)
			}
			if err := db.flushing.QueryRowContext(t.Context(), `PRAGMA synchronous`).Scan(&got); err != nil || got != 2 {
				t.Errorf("%q: for checkpoints %d, %v; want 2", c.synchronous, got, err)
			}
		}
		check()
		remove(t, path)
		recovers(t, s, 1)
		check()
		for c.synchronous, c.want = range map[string]int64{Full: 2, Normal: 1} {
			if err := SetSynchronous(s, c.synchronous); err != nil {
				t.Error(err)
			}
			check()
			remove(t, path)
			recovers(t, s, 1)
			check()
		}
		closesWhole(t, s, 1)
	}
	if _, err := Open(t.Context(), "sqlite:"+t.TempDir()+"/greyglass.db", Options{Create: true, Synchronous: "off"}); err == nil {
		t.Error("off is taken")
	}
	if err := SetSynchronous(nil, "off"); err == nil {
		t.Error("off is taken")
	}
}
