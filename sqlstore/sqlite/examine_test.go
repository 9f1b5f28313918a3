package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"greyglass/greylist"
	"greyglass/sqlstore/storetest"
)

func TestExamine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "greyglass.db")
	s := open(t, path)
	if err := storetest.Update(t.Context(), s, storetest.Numbered(1), storetest.Remember(greylist.Entry{FirstSeen: 100, LastSeen: 300, PassedAt: 200})); err != nil {
		t.Fatal(err)
	}
	look := func() *Examination {
		t.Helper()
		x, err := Examine(t.Context(), "sqlite:"+path)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	x := look() // while the daemon has it open
	if x.Path != path || x.Version != x.Newest || x.NewestTime != 300 || x.LogBytes == 0 || len(x.Faults) > 0 {
		t.Errorf("got %+v", x)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if x = look(); x.Bytes == 0 || x.LogBytes != 0 || x.NewestTime != 300 || len(x.Faults) > 0 {
		t.Errorf("got %+v", x)
	}
	onlyFile(t, path) // it leaves nothing behind

	damage(t, path, 2*4096)
	if x = look(); len(x.Faults) == 0 {
		t.Errorf("a damaged page was not found: %+v", x)
	}
}

func damage(t *testing.T, path string, offset int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		_, err = f.WriteAt([]byte("damage damage damage"), offset)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestExamineTakesOnlyOurs(t *testing.T) {
	dir := t.TempDir()
	if _, err := Examine(t.Context(), "sqlite:"+dir+"/missing.db"); !errors.Is(err, greylist.ErrNoDatabase) {
		t.Errorf("missing: %v", err)
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Examine(t.Context(), "sqlite:"+other); !errors.Is(err, greylist.ErrNotOurs) {
		t.Errorf("another's: %v", err)
	}
	if _, err := Examine(t.Context(), "greyglass.db"); err == nil {
		t.Error("a URL without a scheme was taken")
	}
}

func TestQuarantined(t *testing.T) {
	path := filepath.Join(t.TempDir(), "greyglass[1].db")
	moved := path + ".corrupt-20261122T190505Z"
	for _, file := range []string{moved, moved + "-wal", path + ".bak", path} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := Quarantined("sqlite:" + path); err != nil || !slices.Equal(got, []string{moved}) {
		t.Errorf("got %v, %v", got, err)
	}
}
